"""What is written down of a TrainJob while it is waited for, besides what its log tells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster import events, waiting
from airflow_kubeflow_trainer.cluster.feed import Feed, Feeds
from airflow_kubeflow_trainer.cluster.recording import Recording
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import ForbiddenError
from airflow_kubeflow_trainer.trainjob.progress import Recorder
from airflow_kubeflow_trainer.trainjob.queue import QUEUE_LABEL


class Records:
    """A recording, and what it has published."""

    def __init__(self, trainjob: dict[str, Any]) -> None:
        self.name, self.uid = trainjob["metadata"]["name"], trainjob["metadata"]["uid"]
        self.published: list[dict[str, Any]] = []
        recorder = Recorder(name=self.name, namespace="default", uid=self.uid)
        self.recording = Recording(recorder, self._publish, now=time.time)

    async def _publish(self, record: dict[str, Any]) -> None:
        self.published.append(record)

    async def wait(self, api: TrainJobApi, reporter: Any, *, feeds: Feeds | None = None, **spec: Any) -> None:
        wanted = WaitSpec(name=self.name, uid=self.uid, **spec)
        await waiting.wait(api, wanted, reporter, feeds=feeds, recording=self.recording)

    def reasons(self, kind: str = "") -> set[str]:
        """Reasons of the events in the last record."""
        return {event["reason"] for event in self.published[-1]["events"] if event["type"].startswith(kind)}


async def test_the_events_of_a_training_that_goes_well_are_written_down(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    records = Records(await make("sleep 1"))

    await records.wait(api, reporter)

    assert {"Scheduled", "Started"} <= records.reasons()


async def test_the_events_of_a_failure_are_written_down_before_they_are_gone(
    api: TrainJobApi, make: Any, reporter: Any, gives_up_at_once: str
) -> None:
    records = Records(await make("exit 3", runtime=gives_up_at_once))

    await records.wait(api, reporter)

    assert records.reasons("Warning")
    assert records.published[-1]["diagnosis"] is not None


async def test_what_keeps_a_training_from_starting_is_written_down_while_it_waits(
    api: TrainJobApi, make: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FIRST_LOOK_SECONDS", 0.1)
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "token"}}}]
    records = Records(await make("true", trainer={"env": env}))

    await records.wait(api, reporter, startup_timeout=3.0)

    assert any("no-such-secret" in event["message"] for event in records.published[-1]["events"])


async def test_events_that_may_not_be_read_cost_nothing_but_themselves(
    api: TrainJobApi, make: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> Any:
        raise ForbiddenError(403, "Forbidden", "events is forbidden")

    monkeypatch.setattr(api, "find_events", refuse)
    records = Records(await make("sleep 1"))

    await records.wait(api, reporter)

    assert (records.published[-1]["phase"], records.published[-1]["events"]) == ("Succeeded", [])


class Saying:
    """A watch that tells one object, and then nothing more."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    async def events(self) -> AsyncIterator[WatchEvent]:
        yield WatchEvent(WatchType.ADDED, self._told)
        yield WatchEvent(WatchType.SYNCED, {"uids": [self._told["metadata"]["uid"]]})
        await asyncio.Event().wait()


async def test_what_kueue_says_stands_with_the_phase(api: TrainJobApi, make: Any, reporter: Any) -> None:
    records = Records(await make("true", suspend=True, labels={QUEUE_LABEL: "gpus"}))
    words = "couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu"
    condition = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": words}
    workload = {"metadata": {"name": "w", "uid": "w"}, "status": {"conditions": [condition]}}
    kueue = Feed(Saying(workload), owner=lambda _: records.name, slim=lambda told: told)

    await records.wait(
        api, reporter, feeds=replace(Feeds.of_one(api, records.name), workloads=kueue), admission_timeout=2
    )

    (queued,) = records.published[-1]["phases"]
    assert (queued["phase"], queued["reason"]) == ("Queued", f"Kueue: {words}")
