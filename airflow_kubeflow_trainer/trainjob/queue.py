"""What Kueue says about a TrainJob that waits in a queue, read from its Workload.

The TrainJob itself says only that it is suspended. Source: kueue v0.15 apis/kueue/v1beta1/workload_types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_kubeflow_trainer.trainjob.identity import MANAGER

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"

OLDER_KUEUE = (
    "Kueue 0.15 and older know the TrainJobs of Trainer 2.1 only: what they do not know of a TrainJob they take away, "
    "or they cannot resume it"
)
STUCK = "Kueue has admitted it, and its pods are still held back"


_TOLD_WHEN_TRUE = ("Admitted", "DeactivationTarget", "Preempted", "Evicted", "Requeued")
"""In the order in which they come about; Kueue's clock counts whole seconds."""
_ORDER = (*_TOLD_WHEN_TRUE, "QuotaReserved")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What one condition of a Workload says."""

    words: str
    kind: str
    since: str
    """Since when the condition is as it is, as Kubernetes writes it; its words may change meanwhile."""

    @property
    def at(self) -> datetime | None:
        """A moment for it that is the same whenever it is read, and not before what led to it."""
        if not self.since:
            return None
        # Kueue cuts fractions off; in a log what comes about in the same second stands in its order.
        return datetime.fromisoformat(self.since) + timedelta(milliseconds=990 + _ORDER.index(self.kind))


def statements(workload: Mapping[str, Any]) -> list[Statement]:
    """Give what a Workload's conditions say, oldest first, each fact once.

    Kueue repeats why it drives a job out in up to four conditions.
    """
    conditions = sorted(_conditions(workload), key=_age)
    driven_out = {_why(condition) for condition in conditions if condition["type"] in ("Preempted", "Evicted")}
    preempted = {_why(condition) for condition in conditions if condition["type"] == "Preempted"}
    said = []
    for condition in conditions:
        kind, why = condition["type"], _why(condition)
        if kind in _TOLD_WHEN_TRUE and condition.get("status") == "True":
            head = kind
        elif _waits(condition):
            head = condition.get("reason") or "Pending"
        else:
            continue
        if kind == "Requeued" and why in driven_out:
            words = head
        elif why in {"Evicted": preempted, "QuotaReserved": driven_out}.get(kind, ()):
            continue
        else:
            words = f"{head}: {why}"
        said.append(Statement(words=words, kind=kind, since=condition.get("lastTransitionTime") or ""))
    return said


def why_it_waits(workload: Mapping[str, Any]) -> str | None:
    """Give Kueue's reason for not admitting it; None where it is admitted, or nothing is said."""
    quota = _condition(workload, "QuotaReserved")
    return f"Kueue: {quota['message']}" if _waits(quota) and quota.get("message") else None


def is_admitted(workload: Mapping[str, Any]) -> bool:
    """Whether it may run; one that is driven out is called admitted until its pods have ended, and may not."""
    admitted, evicted = (_condition(workload, kind).get("status") == "True" for kind in ("Admitted", "Evicted"))
    return admitted and not evicted


def submitted_parts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an older Kueue takes away of a TrainJob, as it was submitted; names and numbers only."""
    return {
        "deadline": manifest["spec"].get("activeDeadlineSeconds"),
        "patches": [patch["manager"] for patch in manifest["spec"].get("runtimePatches") or []],
    }


def lost_parts(submitted: Mapping[str, Any], trainjob: Mapping[str, Any]) -> list[str]:
    """Say what a TrainJob no longer has of what was submitted."""
    spec = trainjob.get("spec") or {}
    there = {patch.get("manager") for patch in spec.get("runtimePatches") or []}
    lost = [_named(manager) for manager in submitted.get("patches") or [] if manager not in there]
    if submitted.get("deadline") is not None and spec.get("activeDeadlineSeconds") != submitted["deadline"]:
        lost.append(f"activeDeadlineSeconds ({submitted['deadline']})")
    return lost


def _why(condition: Mapping[str, Any]) -> str:
    # So Kueue begins once that is over.
    return (condition.get("message") or "").removeprefix("Previously: ")


def _named(manager: str) -> str:
    ours = "the operator's patch of its pods (the volume of an output, labels)"
    return ours if manager == MANAGER else f"the runtime patch of {manager}"


def _waits(condition: Mapping[str, Any]) -> bool:
    # It has no quota any more, either, when it has ended.
    found = (condition.get("type"), condition.get("status"))
    return found == ("QuotaReserved", "False") and condition.get("reason") != "Finished"


def _age(condition: Mapping[str, Any]) -> tuple[str, int]:
    kind = condition["type"]
    return condition.get("lastTransitionTime") or "", _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _conditions(workload: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (workload.get("status") or {}).get("conditions") or []


def _condition(workload: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((condition for condition in _conditions(workload) if condition["type"] == kind), {})
