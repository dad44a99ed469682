"""Where a TrainJob is on its way, read from the object itself.

Trainer has three conditions (Suspended, Complete, Failed) and no Created, Pending or Running; between them only
``status.jobsStatus`` tells. Source: trainer v2.3 pkg/apis/trainer/v1alpha1/trainjob_types.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Where a TrainJob is on its way."""

    QUEUED = "Queued"
    """Suspended: by Kueue until there is quota, or by somebody's hand."""
    STARTING = "Starting"
    """Its pods are being created, scheduled, or pull their images."""
    INITIALIZING = "Initializing"
    """The data set or the model is being fetched."""
    RUNNING = "Running"
    """Every node trains."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def final(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED)


@dataclass(frozen=True)
class PhaseReport:
    """A phase, and the cluster's own words for it (empty where it has none)."""

    phase: Phase
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        words = ": ".join(word for word in (self.reason, self.message) if word)
        return f"{self.phase.value} ({words})" if words else self.phase.value


def phase_of(trainjob: Mapping[str, Any], *, trainer_job: str, may_be_suspended: bool = True) -> PhaseReport:
    """Read a TrainJob's phase.

    :param trainjob: the object as the API server gives it.
    :param trainer_job: name of the runtime's replicated job that trains (``node`` in the stock runtimes).
    :param may_be_suspended: whether to believe it when it says that it is suspended; not while its pods run.
    """
    status = trainjob.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    # Failed before Complete: a job that failed once has failed, whatever follows (trainer#3737).
    for kind, phase in (("Failed", Phase.FAILED), ("Complete", Phase.SUCCEEDED), ("Suspended", Phase.QUEUED)):
        condition = conditions.get(kind)
        # A resumed job still carries the condition, with status "False" (kubeflow/sdk#803).
        believed = phase is not Phase.QUEUED or may_be_suspended
        if condition is not None and condition.get("status") == "True" and believed:
            return PhaseReport(phase, condition.get("reason", ""), condition.get("message", ""))
    if (trainjob.get("spec") or {}).get("suspend") and may_be_suspended:
        return PhaseReport(Phase.QUEUED)
    return PhaseReport(_phase_of_jobs(_jobs(trainjob), trainer_job))


def has_pods(trainjob: Mapping[str, Any]) -> bool:
    """Whether some of its Jobs have pods that have not ended, whatever it says of itself."""
    return any(job.get("active") for job in _jobs(trainjob))


def is_held_back(trainjob: Mapping[str, Any]) -> bool:
    """Whether its Jobs are suspended, whatever it says of itself."""
    return any(job.get("suspended") for job in _jobs(trainjob)) and not has_pods(trainjob)


def _jobs(trainjob: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (trainjob.get("status") or {}).get("jobsStatus") or []


def _phase_of_jobs(jobs: list[Mapping[str, Any]], trainer_job: str) -> Phase:
    # The order of jobsStatus is random.
    by_name = {job["name"]: job for job in jobs}
    trainer = by_name.pop(trainer_job, {})
    # `ready` drops to 0 once the pods have ended, some moments before the condition comes.
    if any(trainer.get(count) for count in ("ready", "succeeded", "failed")):
        return Phase.RUNNING
    if any(job.get("ready") for job in by_name.values()):
        return Phase.INITIALIZING
    return Phase.STARTING
