"""What the kubelet remembers of a pod, kept on disk so that it survives the kubelet."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.objects import Pod

State = dict[str, Any]
"""A Kubernetes ContainerState: one of ``waiting``, ``running``, ``terminated``."""

LOST_CODE = 255
"""Exit code of a container that was gone when the kubelet looked again, as containerd says after a reboot."""


@dataclass
class ContainerRecord:
    """One container of a pod, over all its restarts."""

    restarts: int = 0
    state: State = field(default_factory=lambda: waiting("ContainerCreating"))
    last_state: State = field(default_factory=dict)

    @property
    def terminated(self) -> Mapping[str, Any] | None:
        """How the last run ended, unless one is running: also while the next one waits for its time."""
        if "running" in self.state:
            return None
        ended: Mapping[str, Any] | None = self.state.get("terminated") or self.last_state.get("terminated")
        return ended

    @property
    def succeeded(self) -> bool:
        """Whether the container has ended, and well."""
        ended = self.state.get("terminated")
        return ended is not None and ended["exitCode"] == 0

    def wait_for(self, reason: str, message: str = "") -> None:
        """Say why it is not running; what ended before is kept as the last state."""
        self._keep_last()
        self.state = waiting(reason, message)

    def run(self, *, started_at: float) -> None:
        if self.terminated is not None:
            self.restarts += 1
        self._keep_last()
        self.state = {"running": {"startedAt": objects.rfc3339(started_at)}}

    def end(self, terminated: Mapping[str, Any]) -> None:
        self.state = {"terminated": dict(terminated)}

    @property
    def next_run(self) -> int:
        """Number of the run that is to be started: the first is 0."""
        return self.restarts + 1 if self.terminated is not None else self.restarts

    def _keep_last(self) -> None:
        if "terminated" in self.state:
            self.last_state = self.state


@dataclass
class PodRecord:
    """One pod."""

    started_at: float
    containers: dict[str, ContainerRecord]
    failure: dict[str, str] = field(default_factory=dict)
    """``reason`` and ``message`` where the pod as a whole was failed (its deadline)."""

    def save(self, folder: Path) -> None:
        """Write the record, whole or not at all."""
        scratch = folder / "state.json.new"
        with scratch.open("w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(folder / "state.json")


def waiting(reason: str, message: str = "") -> State:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def load_record(pod: Pod, folder: Path) -> PodRecord:
    """Return what is known of a pod: from disk, else from its status in the API, else that it is new."""
    try:
        content = json.loads((folder / "state.json").read_text())
        containers = {name: ContainerRecord(**record) for name, record in content.pop("containers").items()}
        return PodRecord(containers=containers, **content)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # None yet, or one that another version of this program wrote.
        return _from_status(pod)


def lost(started_at: str) -> dict[str, Any]:
    """Return the terminated state of a container whose processes are gone and which nobody saw end."""
    return {
        "exitCode": LOST_CODE,
        "reason": "Unknown",
        "message": "The node was restarted while the container was running",
        "startedAt": started_at,
        "finishedAt": objects.rfc3339(time.time()),
    }


def _from_status(pod: Pod) -> PodRecord:
    status = pod.get("status") or {}
    known = {entry["name"]: entry for entry in _container_statuses(status)}
    spec = pod["spec"]
    first = waiting("PodInitializing" if spec.get("initContainers") else "ContainerCreating")
    containers = {}
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        entry = known.get(container["name"], {})
        containers[container["name"]] = ContainerRecord(
            restarts=entry.get("restartCount", 0),
            state=entry.get("state") or first,
            last_state=entry.get("lastState") or {},
        )
    started = status.get("startTime")
    return PodRecord(started_at=objects.parse_time(started) if started else time.time(), containers=containers)


def _container_statuses(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
