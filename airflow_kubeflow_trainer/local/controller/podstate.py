"""What the Job controller reads from a pod."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_kubeflow_trainer.local.controller.pods import TRACKING_FINALIZER
from airflow_kubeflow_trainer.local.trainer.constants import COMPLETION_INDEX

Pod = dict[str, Any]


def uid(pod: Pod) -> str:
    return str(pod["metadata"]["uid"])


def index(pod: Pod) -> int:
    """Return the completion index: which of the Job's pods it is."""
    return int(pod["metadata"]["annotations"][COMPLETION_INDEX])


def phase(pod: Pod) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def succeeded(pod: Pod) -> bool:
    return phase(pod) == "Succeeded"


def going(pod: Pod) -> bool:
    """Tell whether the pod is being deleted."""
    return pod["metadata"].get("deletionTimestamp") is not None


def failed(pod: Pod) -> bool:
    """Tell whether the pod counts as failed; one that is taken away before it ended does."""
    return phase(pod) == "Failed" or (going(pod) and not succeeded(pod))


def ended(pod: Pod) -> bool:
    """Tell whether no container of the pod runs or will run."""
    return phase(pod) in ("Succeeded", "Failed")


def active(pod: Pod) -> bool:
    return not ended(pod) and not going(pod)


def ready(pod: Pod) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def restarts(pod: Pod) -> int:
    """Count the restarts of all containers of a pod that has not ended."""
    if ended(pod):
        return 0
    status = pod.get("status", {})
    containers = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    return sum(container.get("restartCount", 0) for container in containers)


def tracked(pod: Pod) -> bool:
    """Tell whether the pod waits to be counted before it may go."""
    return TRACKING_FINALIZER in (pod["metadata"].get("finalizers") or [])


def finish_time(pod: Pod) -> float | None:
    """Return when the last container of an ended pod ended, in seconds since the epoch; None where nobody says."""
    containers = pod.get("status", {}).get("containerStatuses") or []
    times = [container.get("state", {}).get("terminated", {}).get("finishedAt") for container in containers]
    return max((datetime.fromisoformat(time).timestamp() for time in times if time), default=None)
