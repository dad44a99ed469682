"""Waits for TrainJobs such as no test's machine can bear, or that no cluster brings about when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from podobjects import CREATED, pod_object, running, terminated

from airflow_kubeflow_trainer.cluster.events import MAX_PODS
from airflow_kubeflow_trainer.cluster.feed import Feed, Feeds
from airflow_kubeflow_trainer.cluster.followers import MAX_FOLLOWED, MAX_TOLD
from airflow_kubeflow_trainer.cluster.tails import MAX_TAILS, READ_LINES
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec, wait
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import NotFoundError
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.reporting import Recorder

FAILED = {"conditions": [{"type": "Failed", "status": "True", "reason": "FailedJobs", "message": "jobset failed"}]}


def trainjob(version: int, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": "job", "uid": "u", "resourceVersion": str(version), "creationTimestamp": CREATED}
    return {"metadata": metadata, "spec": spec, "status": status}


class Telling:
    """A watch that tells what it is given, and then nothing more."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self._objects = objects

    async def events(self) -> AsyncIterator[WatchEvent]:
        for item in self._objects:
            yield WatchEvent(WatchType.MODIFIED, item)
        yield WatchEvent(WatchType.SYNCED, {"uids": [item["metadata"]["uid"] for item in self._objects]})
        await asyncio.Event().wait()


class Api:
    """The cluster besides its watches: counts what is asked for."""

    namespace = "default"

    def __init__(self, pods: list[dict[str, Any]]) -> None:
        self._pods = pods
        self.logs: list[dict[str, Any]] = []
        self.selectors: list[str] = []

    async def pods(self, name: str) -> list[dict[str, Any]]:
        return self._pods

    async def find_events(self, selector: str) -> list[dict[str, Any]]:
        self.selectors.append(selector)
        return []

    async def get_jobset(self, name: str) -> dict[str, Any]:
        raise NotFoundError(404, "NotFound", "")

    async def jobs(self, name: str) -> list[dict[str, Any]]:
        return []

    @contextlib.asynccontextmanager
    async def stream_log(self, pod: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        self.logs.append(options)

        async def chunks() -> AsyncIterator[bytes]:
            yield b"2026-01-01T00:00:00.5Z the last words\n"

        yield chunks()


async def outcome_of(
    told: list[dict[str, Any]], pods: list[dict[str, Any]], reporter: Recorder, **spec: Any
) -> tuple[Outcome, Api]:
    api = Api(pods)
    feeds = Feeds(
        *(
            Feed(Telling(*objects), owner=lambda _: "job", slim=lambda item: item)
            for objects in (told, [*pods], list[Any]())
        )
    )
    async with asyncio.timeout(60):
        return await wait(api, WaitSpec(name="job", uid="u", **spec), reporter, feeds=feeds), api  # type: ignore[arg-type]


@pytest.mark.parametrize("log_nodes", [(), "all"], ids=["rank 0 is followed", "all are to be followed"])
async def test_of_a_thousand_pods_that_fail_at_once_few_are_asked_after(log_nodes: Any) -> None:
    reporter = Recorder()
    pods = [
        pod_object(f"n{index}", index=index, state=terminated(3), phase="Failed", created=CREATED)
        for index in range(1000)
    ]

    outcome, api = await outcome_of([trainjob(1, FAILED)], pods, reporter, log_nodes=log_nodes)

    assert outcome.diagnosis is not None
    assert (outcome.diagnosis.cause, outcome.log_tail) == (Cause.USER_CODE, ("the last words",))
    followed = [asked for asked in api.logs if asked.get("follow")]
    assert len(followed) == (1 if log_nodes == () else MAX_FOLLOWED)
    assert len(api.logs) - len(followed) <= MAX_TAILS
    assert all(asked["tail_lines"] == READ_LINES for asked in api.logs if not asked.get("follow"))
    # Of those that are not followed, the last words of eight.
    assert len(reporter.lines) + len(reporter.notes) <= len(followed) + 2 * MAX_TOLD + 1


async def test_of_a_thousand_pods_that_do_not_start_few_are_asked_after() -> None:
    reporter = Recorder()
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/9 nodes"}
    pods = [pod_object(f"n{index}", index=index, phase="Pending", conditions=[unschedulable]) for index in range(1000)]

    outcome, api = await outcome_of([trainjob(1, {})], pods, reporter, startup_timeout=1)

    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause is Cause.NOT_STARTED
    assert "0/9 nodes" in outcome.diagnosis.message
    assert len(api.selectors) <= MAX_PODS + 2
    assert len([warning for warning in reporter.warnings if "0/9 nodes" in warning]) == 1
    assert len(str(outcome.diagnosis)) < 2000


async def test_the_words_of_a_run_that_has_been_followed_by_another_are_read_where_they_are_kept() -> None:
    pods = [pod_object("n0", state=running(), last_state=terminated(3), restarts=1)]

    outcome, api = await outcome_of([trainjob(1, {})], pods, Recorder(), max_restarts=0, get_logs=False)

    assert outcome.diagnosis is not None
    assert "exit code 3" in outcome.diagnosis.message
    assert (outcome.log_tail, [asked["previous"] for asked in api.logs]) == (("the last words",), [True])


async def test_the_first_end_is_the_end_though_trainer_takes_it_back_and_trains_again() -> None:
    """As Trainer 2.3 does where the JobSet of a TrainJob that failed is deleted (trainer#3737)."""
    reporter = Recorder()
    again = {"jobsStatus": [{"name": "node", "ready": 1, "active": 1}]}
    completed = {"conditions": [{"type": "Complete", "status": "True"}]}
    told = [trainjob(1, FAILED), trainjob(2, {}), trainjob(3, again), trainjob(4, completed)]
    first = pod_object("n0", state=terminated(3), phase="Failed")
    second = pod_object("n1", state=running(), created="2026-01-01T00:01:00Z")

    outcome, _ = await outcome_of(told, [first, second], reporter, get_logs=False)

    assert outcome.diagnosis is not None
    assert (outcome.diagnosis.cause, outcome.alive) == (Cause.USER_CODE, False)
    assert reporter.phases == ["Failed"]
