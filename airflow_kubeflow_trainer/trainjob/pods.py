"""What a TrainJob's pods tell: which one they are, what their containers do, and why they do not start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

JOBSET_NAME_LABEL = "jobset.sigs.k8s.io/jobset-name"
REPLICATED_JOB_LABEL = "jobset.sigs.k8s.io/replicatedjob-name"
COMPLETION_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
POD_LABELS = (REPLICATED_JOB_LABEL, COMPLETION_INDEX_LABEL)
"""What is read of a pod's labels."""
SCHEDULED = "PodScheduled"
DISRUPTED = "DisruptionTarget"
POD_CONDITIONS = (SCHEDULED, DISRUPTED)
"""What is read of its status' conditions."""

_TAKEN_AWAY = frozenset(
    {
        "DeadlineExceeded",
        "Evicted",
        "NodeLost",
        "NodeShutdown",
        "Preempting",
        "Shutdown",
        "Terminated",
        "UnexpectedAdmissionError",
    }
)
"""Reasons of a pod's status with which a kubelet ends or turns away a pod; ``OutOf...`` is another."""

_COUNTED_AT_ONCE = frozenset({"ContainerStatusUnknown", "RestartingAllContainers"})
"""Reasons with which a kubelet itself says that a run has ended, of a container that is no more."""

_SIGNALS = range(1, 65)
"""Linux'; a shell ends with 128 and the number of the one that ended its program."""


def seconds(timestamp: str | None) -> float | None:
    """Turn a Kubernetes timestamp into seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


@dataclass(frozen=True)
class Termination:
    """How one run of a container ended."""

    exit_code: int
    reason: str
    message: str
    """What the container wrote to its termination message; empty where nothing."""
    finished_at: float = 0.0
    """Seconds since the epoch, by the clock of the pod's node."""

    @property
    def out_of_memory(self) -> bool:
        return self.reason == "OOMKilled"

    def __str__(self) -> str:
        words = f"exit code {self.exit_code}"
        if self.exit_code - 128 in _SIGNALS and not self.out_of_memory:
            words += f", signal {self.exit_code - 128}"
        return f"{self.reason}, {words}" if self.reason not in ("", "Error", "Completed") else words


@dataclass(frozen=True)
class Container:
    """One container of a pod, as its status tells."""

    name: str
    restart_count: int
    running: bool
    waiting: str
    """Reason and message of the waiting state; empty where it does not wait."""
    terminated: Termination | None
    last_terminated: Termination | None
    """How the run before the present one ended; while the container waits to be started again, the latest run."""
    started_at: float | None
    """When the earliest run that the status still knows of began, in seconds since the epoch by the server's clock."""

    @property
    def started(self) -> bool:
        """Whether the present run has, or has had, a log."""
        return self.running or self.terminated is not None

    @property
    def failure(self) -> Termination | None:
        """The present run's failure; between two runs, that of the run before."""
        last = self.terminated or self.last_terminated
        return last if last is not None and last.exit_code != 0 else None

    @property
    def last_run(self) -> int:
        """The number of the run that ``last_terminated`` is about; the first is 0, and -1 is none.

        A kubelet counts a restart when it creates the container, which then waits without a reason until it runs; one
        that is gone it counts at once (kubelet, convertToAPIContainerStatuses).
        """
        if self.last_terminated is None:
            return -1
        counted = self.started or not self.waiting or self.last_terminated.reason in _COUNTED_AT_ONCE
        return self.restart_count - counted

    @property
    def ended_run(self) -> int:
        """The number of the run that ended last, the one that ``failure`` is about; -1 where none has."""
        return self.restart_count if self.terminated is not None else self.last_run


@dataclass(frozen=True)
class Pod:
    """One pod of a TrainJob."""

    name: str
    uid: str
    job: str
    """Name of the replicated job that it belongs to."""
    index: int
    """Its place among the replicated job's pods; 0 is rank 0."""
    phase: str
    stopping: bool
    """Whether it is being deleted: how it ends from now on is no fault of its own."""
    node: str
    created_at: float
    """Seconds since the epoch, by the server's clock."""
    main: Container | None
    """The container that does the pod's work; None before the pod has a status."""
    trouble: str
    """Why it does not run, in the cluster's words; empty where there is nothing to tell."""
    trouble_since: float
    """Since when it could have run: by the scheduler's last word about it, else its creation."""
    disrupted: str
    """Why the cluster took it away (eviction, preemption, lost node); empty where it did not."""

    @classmethod
    def from_object(cls, pod: Mapping[str, Any]) -> Pod:
        metadata, status = pod["metadata"], pod.get("status") or {}
        labels = metadata.get("labels") or {}
        containers = [_container(entry) for entry in status.get("containerStatuses") or []]
        conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            job=labels.get(REPLICATED_JOB_LABEL, ""),
            index=int(labels.get(COMPLETION_INDEX_LABEL) or 0),
            phase=status.get("phase", "Pending"),
            stopping=metadata.get("deletionTimestamp") is not None,
            node=(pod.get("spec") or {}).get("nodeName") or "",
            created_at=seconds(metadata.get("creationTimestamp")) or 0.0,
            main=_main(containers, labels),
            trouble=_trouble(status, conditions, containers),
            trouble_since=_since(metadata, conditions),
            disrupted=_disruption(status, conditions),
        )


def _main(containers: list[Container], labels: Mapping[str, str]) -> Container | None:
    # Trainer calls the main container as its replicated job; sidecars are called otherwise.
    by_name = {container.name: container for container in containers}
    named = by_name.get(labels.get(REPLICATED_JOB_LABEL, "")) or by_name.get("node")
    return named or next(iter(containers), None)


def _container(status: Mapping[str, Any]) -> Container:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting") or {}
    return Container(
        name=status["name"],
        restart_count=status.get("restartCount", 0),
        running="running" in state,
        waiting=_words(waiting.get("reason"), waiting.get("message")),
        terminated=_termination(state.get("terminated")),
        last_terminated=_termination(last.get("terminated")),
        started_at=next((moment for moment in map(_started_at, (last, state)) if moment is not None), None),
    )


def _started_at(state: Mapping[str, Any]) -> float | None:
    return seconds((state.get("running") or state.get("terminated") or {}).get("startedAt"))


def _termination(state: Mapping[str, Any] | None) -> Termination | None:
    if state is None:
        return None
    return Termination(
        exit_code=int(state.get("exitCode", 0)),
        reason=state.get("reason") or "",
        message=(state.get("message") or "").strip(),
        finished_at=seconds(state.get("finishedAt")) or 0.0,
    )


def _trouble(
    status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]], containers: list[Container]
) -> str:
    scheduled = conditions.get(SCHEDULED, {})
    if scheduled.get("status") == "False":
        return _words(scheduled.get("reason"), scheduled.get("message"))
    init = [_container(entry) for entry in status.get("initContainerStatuses") or []]
    for container in (*init, *containers):
        # These two are how every pod begins.
        if container.waiting and container.waiting not in ("ContainerCreating", "PodInitializing"):
            return container.waiting
    return ""


def _since(metadata: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> float:
    scheduled = conditions.get(SCHEDULED, {}).get("lastTransitionTime")
    return seconds(scheduled) or seconds(metadata.get("creationTimestamp")) or 0.0


def _disruption(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> str:
    target = conditions.get(DISRUPTED, {})
    if target.get("status") == "True":
        return _words(target.get("reason"), target.get("message"))
    reason = status.get("reason") or ""
    if reason in _TAKEN_AWAY or reason.startswith("OutOf"):
        return _words(reason, status.get("message"))
    return ""


def _words(reason: str | None, message: str | None) -> str:
    return ": ".join(word for word in (reason, message) if word)
