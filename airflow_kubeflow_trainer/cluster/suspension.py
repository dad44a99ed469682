"""Believing a TrainJob that says that it is suspended only when its pods agree.

Its status says so too where the JobSet cannot be suspended, as on a runtime with a volumeClaimPolicies that states no
retentionPolicy, and its pods train on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport, phase_of
from airflow_kubeflow_trainer.trainjob.pods import Pod

DOUBT_SECONDS = 15.0
"""How long after a suspension its pods may go on before somebody is told."""


class Suspension:
    """What the pods of one TrainJob have to say when it says that it is suspended.

    :param trainer_job: name of the runtime's replicated job that trains.
    :param warn: is told of a suspension that did not work.
    :param put: has a function called in the wait's own turn.
    """

    def __init__(
        self, trainer_job: str, warn: Callable[[str], None], put: Callable[[Callable[[], None]], None]
    ) -> None:
        self.said = False
        """Whether the TrainJob says that it is suspended."""
        self._trainer_job = trainer_job
        self._warn = warn
        self._put = put
        self._running: set[str] = set()
        """Uids of pods."""
        self._doubting = False

    def see_pod(self, pod: Pod, *, gone: bool) -> None:
        """Take note of whether a pod goes on."""
        # A trainer that is done waits for its TrainJob's end, not in a queue.
        on = pod.phase == "Running" or (pod.phase == "Succeeded" and pod.job == self._trainer_job)
        (self._running.add if on and not pod.stopping and not gone else self._running.discard)(pod.uid)

    def phase_of(self, trainjob: Mapping[str, Any], *, before: PhaseReport | None) -> PhaseReport:
        """Read the phase of a TrainJob that has not ended.

        :param before: its phase as it was last read.
        """
        report = phase_of(trainjob, trainer_job=self._trainer_job)
        self.said = report.phase is Phase.QUEUED
        if not (self.said and self._running):
            return report
        self._doubt()
        report = phase_of(trainjob, trainer_job=self._trainer_job, may_be_suspended=False)
        # Where it is back at the start its last pods are on their way out: nothing starts.
        return before if before is not None and report.phase is Phase.STARTING else report

    def _doubt(self) -> None:
        if not self._doubting:
            self._doubting = True
            asyncio.get_running_loop().call_later(DOUBT_SECONDS, self._put, self._decide)

    def _decide(self) -> None:
        self._doubting = False
        if self.said and self._running:
            self._warn("It says that it is suspended, and its pods go on: the suspension did not work")
