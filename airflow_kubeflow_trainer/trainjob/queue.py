"""What Kueue says about a TrainJob that waits in a queue, read from its Workload.

The TrainJob itself says only that it is suspended. Source: kueue v0.15 apis/kueue/v1beta1/workload_types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_kubeflow_trainer.trainjob.pods import seconds

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"

_TOLD_WHEN_TRUE = ("Admitted", "Evicted", "Preempted", "Requeued", "DeactivationTarget")
OLDER_KUEUE = (
    "Kueue 0.15 and older know the TrainJobs of Trainer 2.1 only: what they do not know of a TrainJob they take away, "
    "or they cannot resume it"
)


def statements(workload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give what a Workload's conditions say, oldest first: a key that stays as long as a condition, and its words."""
    said = []
    for condition in sorted(_conditions(workload), key=lambda condition: condition.get("lastTransitionTime") or ""):
        kind, message = condition["type"], condition.get("message") or ""
        if condition.get("status") == "True" and kind in _TOLD_WHEN_TRUE:
            words = f"{kind}: {message}"
        elif condition.get("status") == "False" and kind == "QuotaReserved":
            words = f"{condition.get('reason') or 'Pending'}: {message}"
        else:
            continue
        said.append(("/".join((kind, words, condition.get("lastTransitionTime") or "")), words))
    return said


def why_it_waits(workload: Mapping[str, Any]) -> str | None:
    """Give Kueue's reason for not admitting it; None where it is admitted, or nothing is said."""
    quota = _condition(workload, "QuotaReserved")
    return f"Kueue: {quota.get('message')}" if quota.get("status") == "False" and quota.get("message") else None


def admitted_at(workload: Mapping[str, Any]) -> float | None:
    """Give when it was admitted, in seconds since the epoch; None where it is not."""
    admitted = _condition(workload, "Admitted")
    return seconds(admitted.get("lastTransitionTime")) if admitted.get("status") == "True" else None


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
    lost = [f"the runtime patch of {manager}" for manager in submitted.get("patches") or [] if manager not in there]
    if submitted.get("deadline") is not None and spec.get("activeDeadlineSeconds") != submitted["deadline"]:
        lost.append(f"activeDeadlineSeconds ({submitted['deadline']})")
    return lost


def _conditions(workload: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (workload.get("status") or {}).get("conditions") or []


def _condition(workload: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((condition for condition in _conditions(workload) if condition["type"] == kind), {})
