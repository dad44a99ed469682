"""A TrainJob's conditions, as Trainer's controller sets them. Pure."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from airflow_kubeflow_trainer.local.controller.record import Record

Status = dict[str, Any]

DEADLINE_EXCEEDED = "DeadlineExceeded"


def timestamp(seconds: float) -> str:
    """Write seconds since the epoch as Kubernetes does."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def finished(status: Status) -> bool:
    """Tell whether the TrainJob has come to its end."""
    return any(find(status, kind, "True") for kind in ("Complete", "Failed"))


def find(status: Status, kind: str, value: str | None = None) -> dict[str, Any] | None:
    """Return a condition; with a value, only where it has this value."""
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    return next((item for item in conditions if item.get("type") == kind and value in (None, item.get("status"))), None)


def set_condition(status: Status, kind: str, value: str, *, reason: str, message: str, now: float) -> None:
    """Set a condition in place; the time of its last change stays unless its value changes."""
    before = find(status, kind)
    conditions = status.setdefault("conditions", [])
    changed = before is None or before["status"] != value
    condition = {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(now) if before is None or changed else before["lastTransitionTime"],
    }
    if before is None:
        conditions.append(condition)
    else:
        conditions[conditions.index(before)] = condition


def next_status(
    trainjob: dict[str, Any], record: Record, statuses: list[dict[str, Any]] | None, *, now: float
) -> Status:
    """Return the TrainJob's status after a look at its JobSet.

    :param statuses: the new ``jobsStatus``; None keeps the last one.
    """
    status = copy.deepcopy(trainjob.get("status") or {})
    if trainjob["spec"].get("suspend"):
        set_condition(status, "Suspended", "True", reason="Suspended", message="TrainJob is suspended", now=now)
    elif find(status, "Suspended", "True"):
        set_condition(status, "Suspended", "False", reason="Resumed", message="TrainJob is resumed", now=now)
    if record.ended is not None:
        ended = record.ended
        set_condition(
            status, ended["type"], "True", reason=ended["reason"], message=ended["message"], now=ended["time"]
        )
    if statuses is not None:
        status["jobsStatus"] = statuses
    return status


def deadline(trainjob: dict[str, Any], status: Status) -> float | None:
    """Return when the TrainJob's time is up, in seconds since the epoch; None where there is no limit now."""
    limit: int | None = trainjob["spec"].get("activeDeadlineSeconds")
    if not limit or trainjob["spec"].get("suspend") or finished(status):
        return None
    resumed = find(status, "Suspended", "False")
    start = resumed["lastTransitionTime"] if resumed else trainjob["metadata"]["creationTimestamp"]
    return seconds(start) + limit


def exceed_deadline(status: Status, *, now: float) -> None:
    message = "TrainJob exceeded its active deadline"
    set_condition(status, "Failed", "True", reason=DEADLINE_EXCEEDED, message=message, now=now)


def fail_unsupported(status: Status, message: str, *, now: float) -> None:
    set_condition(status, "Failed", "True", reason="TrainingRuntimeNotSupported", message=message, now=now)
