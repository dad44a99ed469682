"""The status of a pod, worked out from what is known of its containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.environment import LOOPBACK
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.kubelet.records import ContainerRecord, PodRecord


def should_restart(pod: Pod, exit_code: int, *, init: bool = False) -> bool:
    """Whether a container that ended is to be started again."""
    policy = pod["spec"].get("restartPolicy") or "Always"
    if policy == "Always" and not init:
        return True
    return bool(policy != "Never" and exit_code != 0)


def pod_status(
    pod: Pod, record: PodRecord, *, now: float, stopping: bool, known_conditions: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return the status that the kubelet reports.

    :param stopping: the pod is being ended, so nothing of it will be started again.
    :param known_conditions: those of before; one that has not changed keeps its time.
    """
    phase = pod_phase(pod, record, stopping=stopping)
    spec = pod["spec"]
    started = objects.rfc3339(record.started_at)
    return {
        "phase": phase,
        "startTime": started,
        "hostIP": LOOPBACK,
        "hostIPs": [{"ip": LOOPBACK}],
        "podIP": LOOPBACK,
        "podIPs": [{"ip": LOOPBACK}],
        "conditions": _conditions(pod, record, known_conditions, phase=phase, now=now),
        "initContainerStatuses": [_container_status(pod, record, c) for c in spec.get("initContainers") or []],
        "containerStatuses": [_container_status(pod, record, c) for c in spec["containers"]],
        **record.failure,
    }


def pod_phase(pod: Pod, record: PodRecord, *, stopping: bool) -> str:
    """Return Pending, Running, Succeeded or Failed."""
    spec = pod["spec"]
    inits = [record.containers[c["name"]] for c in spec.get("initContainers") or []]
    mains = [record.containers[c["name"]] for c in spec["containers"]]
    if any("running" in container.state for container in [*inits, *mains]):
        return "Running" if _all_succeeded(inits) else "Pending"
    if stopping or record.failure:
        return "Succeeded" if not record.failure and _all_succeeded([*inits, *mains]) else "Failed"
    if not _all_succeeded(inits):
        return "Failed" if any(_is_final(pod, container, init=True) for container in inits) else "Pending"
    if all(_is_final(pod, container) for container in mains):
        return "Succeeded" if _all_succeeded(mains) else "Failed"
    if all(container.terminated is None for container in mains):
        return "Pending"
    return "Running"


def _all_succeeded(containers: list[ContainerRecord]) -> bool:
    return all(container.succeeded for container in containers)


def _is_final(pod: Pod, container: ContainerRecord, *, init: bool = False) -> bool:
    ended = container.state.get("terminated")
    if ended is None or (init and ended["exitCode"] == 0):
        return False
    return not should_restart(pod, ended["exitCode"], init=init)


def _container_status(pod: Pod, record: PodRecord, container: Mapping[str, Any]) -> dict[str, Any]:
    name, known = container["name"], record.containers[container["name"]]
    running = "running" in known.state
    status: dict[str, Any] = {
        "name": name,
        "image": container["image"],
        "imageID": "",
        "ready": running or (known.succeeded and _is_init(pod, name)),
        "started": running,
        "restartCount": known.restarts,
        "state": known.state,
        "lastState": known.last_state,
    }
    if running or known.terminated is not None:
        status["containerID"] = f"process://{objects.uid(pod)}/{name}/{known.restarts}"
    return status


def _is_init(pod: Pod, name: str) -> bool:
    return any(container["name"] == name for container in pod["spec"].get("initContainers") or [])


def _conditions(
    pod: Pod, record: PodRecord, known: Sequence[Mapping[str, Any]], *, phase: str, now: float
) -> list[dict[str, Any]]:
    spec = pod["spec"]
    inits = [record.containers[c["name"]] for c in spec.get("initContainers") or []]
    mains = [record.containers[c["name"]] for c in spec["containers"]]
    unready = [c["name"] for c in spec["containers"] if "running" not in record.containers[c["name"]].state]
    ready: dict[str, Any] = {"status": "True"}
    if phase in objects.TERMINAL_PHASES:
        ready = {"status": "False", "reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
    elif unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        ready = {"status": "False", "reason": "ContainersNotReady", "message": message}
    prepared = any(container.terminated or "running" in container.state for container in [*inits, *mains])
    wanted: dict[str, dict[str, Any]] = {
        "PodScheduled": {"status": "True"},
        "PodReadyToStartContainers": {"status": str(prepared and phase not in objects.TERMINAL_PHASES)},
        "Initialized": {"status": str(_all_succeeded(inits))},
        "ContainersReady": ready,
        "Ready": ready,
    }
    present = {condition.get("type"): condition for condition in known}
    return [_condition(kind, content, present.get(kind), now=now) for kind, content in wanted.items()]


def _condition(
    kind: str, content: Mapping[str, Any], present: Mapping[str, Any] | None, *, now: float
) -> dict[str, Any]:
    unchanged = present is not None and present.get("status") == content["status"]
    since = present["lastTransitionTime"] if present and unchanged and present.get("lastTransitionTime") else None
    # A strategic merge patch leaves what is not named: None takes an outdated reason away.
    since = since or objects.rfc3339(now)
    return {"type": kind, "reason": None, "message": None, **content, "lastTransitionTime": since}
