"""What the example DAG that is woken by the ends of TrainJobs has been told, on whatever cluster."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any
from uuid import uuid4

from demo.airflow_api import DeadlineError, wait_until
from demo.airflow_stack import AirflowStack
from tests.airflow.administration import Cluster

NOTIFY = {"notify": "airflow"}
TIMEOUT = 120.0


def new_name() -> str:
    return f"other-{uuid4().hex[:8]}"


class Told:
    """What the DAG that is woken by TrainJobs has been told."""

    def __init__(self, airflow: AirflowStack, cluster: Cluster) -> None:
        self._airflow = airflow
        self._cluster = cluster

    def events(self) -> list[dict[str, Any]]:
        """The events of the asset, newest first."""
        found = wait_until(
            self._airflow.api.asset_events,
            lambda events: events is not None,
            what="the assets' events",
            timeout=TIMEOUT,
        )
        return found or []

    def payloads(self) -> dict[str, dict[str, Any]]:
        return {event["extra"]["payload"]["name"]: event["extra"]["payload"] for event in self.events()}

    def counts(self) -> Counter[str]:
        return Counter(event["extra"]["payload"]["name"] for event in self.events())

    def until(self, name: str, *, timeout: float = TIMEOUT) -> dict[str, Any]:
        return wait_until(self.payloads, lambda told: name in told, what=f"the end of {name}", timeout=timeout)[name]

    def end_one_that_is_told(self) -> str:
        """Submit one TrainJob after the other until one is told: only what ends after the first look is."""
        for _ in range(6):
            name = new_name()
            self._cluster.submit(name, labels=NOTIFY)
            with contextlib.suppress(DeadlineError):
                self.until(name, timeout=20)
                return name
        raise AssertionError("Nothing was told of any of six TrainJobs")
