"""When a phase began, by the server's timestamps: whoever takes the waiting over reads the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod, seconds

_CONDITIONS = {Phase.QUEUED: "Suspended", Phase.SUCCEEDED: "Complete", Phase.FAILED: "Failed"}


def entered_at(
    trainjob: Mapping[str, Any], report: PhaseReport, pods: Iterable[Pod], *, trainer_job: str, now: float
) -> float:
    """Tell when the phase that a TrainJob is in began, in seconds since the epoch.

    :param pods: the TrainJob's pods, as far as they are known.
    :param trainer_job: name of the runtime's replicated job that trains.
    :param now: taken where the cluster does not tell.
    """
    created = seconds((trainjob.get("metadata") or {}).get("creationTimestamp"))
    conditions = {entry["type"]: entry for entry in (trainjob.get("status") or {}).get("conditions") or []}
    condition = conditions.get(_CONDITIONS.get(report.phase, ""), {})
    match report.phase:
        case Phase.QUEUED:
            moment = seconds(condition.get("lastTransitionTime")) or created
        case Phase.STARTING:
            resumed = conditions.get("Suspended", {}).get("lastTransitionTime")
            moment = seconds(resumed) or created
        case Phase.INITIALIZING:
            moment = _first_start(pod for pod in pods if pod.job != trainer_job)
        case Phase.RUNNING:
            moment = _first_start(pod for pod in pods if pod.job == trainer_job)
        case _:
            moment = seconds(condition.get("lastTransitionTime"))
    return now if moment is None else moment


def _first_start(pods: Iterable[Pod]) -> float | None:
    started = (pod.main.started_at for pod in pods if pod.main is not None)
    return min((moment for moment in started if moment is not None), default=None)
