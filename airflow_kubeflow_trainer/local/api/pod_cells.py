"""What ``kubectl get pods`` says of a pod, by the rules of kube-apiserver."""

from __future__ import annotations

from airflow_kubeflow_trainer.local.api.durations import since
from airflow_kubeflow_trainer.local.api.metadata import Object

_OVER = ("Succeeded", "Failed")


def ready(pod: Object) -> str:
    """Count the containers that are ready, of all."""
    return f"{sum(map(_is_up, _statuses(pod)))}/{len(pod['spec'].get('containers') or [])}"


def restarts(pod: Object) -> str:
    """Count the restarts, and say when the last one was."""
    statuses = _statuses(pod)
    count = sum(status.get("restartCount", 0) for status in statuses)
    ends = [((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for status in statuses]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({since(last)} ago)" if count and last else str(count)


def state(pod: Object) -> str:
    """Say what is most worth knowing: its phase, or what holds its containers up, or ended them."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in _OVER:
            return "Terminating"
    found = _own_state(status)
    for each in reversed(_statuses(pod)):
        found = _reason(each) or found
    return _if_not_all_completed(pod) if found == "Completed" else found


def _own_state(status: Object) -> str:
    if _condition(status, "PodScheduled").get("reason") == "SchedulingGated":
        return "SchedulingGated"
    return str(status.get("reason") or status.get("phase") or "")


def _reason(status: Object) -> str:
    """Say why a container does not run; nothing where it does."""
    now = status.get("state") or {}
    if reason := (now.get("waiting") or {}).get("reason"):
        return str(reason)
    terminated = now.get("terminated")
    if terminated is None:
        return ""
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _if_not_all_completed(pod: Object) -> str:
    """Say what holds where one container has completed, and others may not have."""
    statuses = _statuses(pod)
    runs = any(map(_is_up, statuses))
    if runs and _condition(pod["status"], "Ready").get("status") == "True":
        return "Running"
    failed = [each for each in statuses if ((each.get("state") or {}).get("terminated") or {}).get("exitCode")]
    if failed:
        return _reason(failed[0])
    return "NotReady" if runs else "Completed"


def _statuses(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _is_up(status: Object) -> bool:
    return bool(status.get("ready")) and "running" in (status.get("state") or {})


def _condition(status: Object, kind: str) -> Object:
    return next((each for each in status.get("conditions") or [] if each.get("type") == kind), {})
