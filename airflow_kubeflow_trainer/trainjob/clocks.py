"""The clocks of one TrainJob: how long it may queue, start and run, counted from the server's own timestamps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_kubeflow_trainer.trainjob.diagnosis import Evidence
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import seconds
from airflow_kubeflow_trainer.trainjob.starting import Trouble


class Limits(Protocol):
    """How long each part may take, in seconds; None is for ever."""

    @property
    def admission_timeout(self) -> float | None: ...
    @property
    def startup_timeout(self) -> float | None: ...
    @property
    def run_timeout(self) -> float | None: ...
    @property
    def startup_patience(self) -> Mapping[str, float | None]: ...
    @property
    def deadline(self) -> float | None:
        """Moment in seconds since the epoch."""


@dataclass(frozen=True)
class Expiry:
    """A moment at which a clock runs out."""

    at: float
    """Seconds since the epoch."""
    clock: str
    """The clock's name and length, as a person reads it."""
    of_start: bool = False
    """Whether it bounds how long something may take to start."""


class Clocks:
    """Which clock of a TrainJob runs out next."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def next_expiry(
        self,
        trainjob: Mapping[str, Any] | None,
        report: PhaseReport | None,
        evidence: Evidence,
        troubles: Iterable[Trouble] = (),
    ) -> Expiry | None:
        """Return the first clock to run out, as things stand; None where none is running.

        :param troubles: what keeps it from starting.
        """
        running = [self._deadline(), *map(self._patience, troubles)]
        if trainjob is not None and report is not None:
            running += [
                self._clock("admission_timeout", self._limits.admission_timeout, _queued_since(trainjob, report)),
                self._clock(
                    "startup_timeout", self._limits.startup_timeout, _starting_since(trainjob, report, evidence)
                ),
                self._clock("run_timeout", self._limits.run_timeout, evidence.trained_since),
            ]
        return min((expiry for expiry in running if expiry is not None), key=lambda expiry: expiry.at, default=None)

    def _deadline(self) -> Expiry | None:
        moment = self._limits.deadline
        return (
            Expiry(moment, "the time that the whole wait may take (a task's execution_timeout)")
            if moment is not None
            else None
        )

    def _patience(self, trouble: Trouble) -> Expiry | None:
        found = trouble.patience(self._limits.startup_patience)
        if found is None:
            return None
        reason, limit = found
        return Expiry(trouble.since + limit, f"startup_patience for {reason} ({limit:g} s)", of_start=True)

    @staticmethod
    def _clock(name: str, limit: float | None, since: float | None) -> Expiry | None:
        if limit is None or since is None:
            return None
        return Expiry(since + limit, f"{name} ({limit:g} s)", of_start=name == "startup_timeout")


def _queued_since(trainjob: Mapping[str, Any], report: PhaseReport) -> float | None:
    if report.phase is not Phase.QUEUED:
        return None
    return suspension_changed_at(trainjob) or seconds(trainjob["metadata"]["creationTimestamp"])


def _starting_since(trainjob: Mapping[str, Any], report: PhaseReport, evidence: Evidence) -> float | None:
    """Give the moment since which something should have started and has not.

    A pod that has run before is no concern of this clock: it waits out Kubernetes' restart delay.
    """
    if report.phase not in (Phase.STARTING, Phase.INITIALIZING):
        return None
    waiting = evidence.never_started()
    if waiting:
        return min(pod.created_at for pod in waiting)
    if report.phase is Phase.INITIALIZING or any(pod.job == evidence.trainer_job for pod in evidence.pods.values()):
        return None
    # Nothing is there that should have come: pods that cannot be created, at first or after the initializers.
    begun = suspension_changed_at(trainjob) or seconds(trainjob["metadata"]["creationTimestamp"]) or 0.0
    return max(
        [
            begun,
            *(pod.main.terminated.finished_at for pod in evidence.pods.values() if pod.main and pod.main.terminated),
        ]
    )


def suspension_changed_at(trainjob: Mapping[str, Any]) -> float | None:
    """Give when a TrainJob was suspended or resumed last, in seconds since the epoch; None where it never was."""
    conditions = (trainjob.get("status") or {}).get("conditions") or []
    moments = [condition.get("lastTransitionTime") for condition in conditions if condition["type"] == "Suspended"]
    return seconds(moments[0]) if moments else None
