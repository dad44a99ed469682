"""Seeing to it that what does not start is told, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_kubeflow_trainer.cluster.events import Lookout, events_about, warnings_about
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.wait_spec import Reporter
from airflow_kubeflow_trainer.trainjob.diagnosis import Evidence
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.starting import Trouble, trouble_of, troubles_of

MAX_TROUBLES = 20
"""How many different reasons for not starting are told of one TrainJob."""


class Startup:
    """What keeps one TrainJob from starting, by its pods and by events.

    :param evidence: the pods as they were last seen.
    :param heard: called with the events that were read.
    """

    def __init__(
        self,
        api: TrainJobApi,
        evidence: Evidence,
        reporter: Reporter,
        *,
        now: Callable[[], float],
        heard: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self._api = api
        self._evidence = evidence
        self._reporter = reporter
        self._now = now
        self._heard = heard
        self._trainjob: Mapping[str, Any] | None = None
        self._starting = False
        self._by_events: list[Trouble] = []
        self._told: set[str] = set()
        self._lookout = Lookout(self.events, self._hear)

    def see(self, trainjob: Mapping[str, Any] | None, report: PhaseReport) -> None:
        """Tell what is new, and look for events where the pods do not say why nothing starts."""
        self._trainjob = trainjob
        waits = report.phase is Phase.INITIALIZING and bool(self._evidence.never_started())
        self._starting = waits or report.phase is Phase.STARTING
        self._lookout.keep(self._starting and not troubles_of(self._evidence.pods.values()))
        for trouble in self.troubles():
            # Of a thousand pods with the same trouble the first is told.
            if trouble.words not in self._told and len(self._told) < MAX_TROUBLES:
                self._told.add(trouble.words)
                self._reporter.warning(f"Not running yet: {trouble}")

    def troubles(self) -> list[Trouble]:
        """Say what keeps it from starting: what the pods tell, and what events told lately."""
        found = troubles_of(self._evidence.pods.values())
        return [*found, *self._by_events] if self._starting else found

    async def warnings(self) -> list[str]:
        """Read what events warn of now; what may not be read is told."""
        if self._trainjob is None:
            return []
        return await warnings_about(
            self._api, self._trainjob, self._evidence.pods, now=self._now(), note=self._reporter.warning
        )

    async def close(self) -> None:
        """Look no more."""
        await self._lookout.close()

    async def events(self) -> list[dict[str, Any]]:
        """Read what Kubernetes recorded about it."""
        return [] if self._trainjob is None else await events_about(self._api, self._trainjob, self._evidence.pods)

    def _hear(self, events: list[dict[str, Any]]) -> None:
        found = (trouble_of(event, now=self._now()) for event in events)
        self._by_events = [trouble for trouble in found if trouble is not None]
        self._heard(events)
