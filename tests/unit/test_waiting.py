"""Waits for TrainJobs such as no test's machine can bear, or that no cluster brings about when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from podobjects import CREATED, pod_object, running, terminated

from airflow_kubeflow_trainer.cluster import recording as recordings
from airflow_kubeflow_trainer.cluster.events import MAX_PODS
from airflow_kubeflow_trainer.cluster.feed import Feed, Feeds, Source
from airflow_kubeflow_trainer.cluster.followers import MAX_FOLLOWED, MAX_TOLD
from airflow_kubeflow_trainer.cluster.recording import Recording
from airflow_kubeflow_trainer.cluster.tails import MAX_TAILS, READ_LINES
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec, wait
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import ForbiddenError, NotFoundError
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import seconds
from airflow_kubeflow_trainer.trainjob.progress import Recorder as RecordKeeper
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


RUNNING = [{"name": "node", "ready": 1, "active": 1}]
RESUMED = {"type": "Suspended", "status": "False", "reason": "Resumed", "lastTransitionTime": "2026-01-01T00:09:00Z"}


class Refusing:
    """A watch that may not be, which the cluster says only after something else."""

    def __init__(self, after: asyncio.Event) -> None:
        self._after = after

    async def events(self) -> AsyncIterator[WatchEvent]:
        await self._after.wait()
        raise ForbiddenError(403, "Forbidden", "cannot list pods")
        yield


def feeds_of(told: dict[str, Any], pods: Source) -> Feeds:
    sources = (Telling(told), pods, Telling())
    return Feeds(*(Feed(source, owner=lambda _: "job", slim=lambda item: item) for source in sources))


def recording_after(*phases: tuple[Phase, str]) -> Recording:
    """What goes on from the record of another process, which saw these phases begin."""

    async def publish(record: dict[str, Any]) -> None:
        pass

    before = RecordKeeper(name="job", namespace="default", uid="u")
    for phase, began in phases:
        before.see_phase(PhaseReport(phase), seconds(began) or 0.0)
    earlier = before.to_record(0.0) if phases else None
    return Recording(RecordKeeper(name="job", namespace="default", uid="u", earlier=earlier), publish, now=lambda: 0.0)


@pytest.mark.parametrize("hidden", [False, True], ids=["with pods", "pods are hidden"])
@pytest.mark.parametrize(
    ("before", "conditions", "clock"),
    [
        pytest.param([(Phase.RUNNING, "2026-01-01T00:00:30Z")], [], "run_timeout", id="another saw it begin"),
        pytest.param([], [], "execution_timeout", id="nobody saw it begin"),
        pytest.param(
            [
                (Phase.RUNNING, "2026-01-01T00:00:30Z"),
                (Phase.QUEUED, "2026-01-01T00:05:00Z"),
                (Phase.RUNNING, "2026-01-01T00:09:30Z"),
            ],
            [RESUMED],
            "execution_timeout",
            id="it was suspended",
        ),
        pytest.param(
            [(Phase.RUNNING, "2026-01-01T00:00:30Z")], [RESUMED], "execution_timeout", id="nobody saw it suspended"
        ),
    ],
)
async def test_the_time_that_a_training_takes_is_counted_on_by_whoever_takes_the_wait_over(
    before: list[tuple[Phase, str]], conditions: list[dict[str, Any]], clock: str, hidden: bool
) -> None:
    """A pod that was restarted in place thrice tells only when its last two runs began."""
    created = seconds(CREATED) or 0.0
    reporter, recording, told = Recorder(), recording_after(*before), asyncio.Event()
    reporter.on_phase = lambda phase: told.set()
    last = terminated(1, started="2026-01-01T00:10:00Z")
    pod = pod_object("n0", state=running("2026-01-01T00:11:00Z"), last_state=last, restarts=3)
    pod["metadata"]["resourceVersion"] = "1"
    pods: Source = Refusing(told) if hidden else Telling(pod)

    def now() -> float:
        """Let a time pass, once all there is has been seen."""
        seen = reporter.warnings or recording.recorder.to_record(0.0)["pods"]
        return created + (1200.0 if seen else 0.0)

    spec = WaitSpec(name="job", uid="u", get_logs=False, max_restarts=9, run_timeout=900.0, deadline=created + 1200.0)
    if before and before[-1][0] is Phase.RUNNING:
        # The phase itself is told no more.
        told.set()
    async with asyncio.timeout(60):
        outcome = await wait(
            Api([]),  # type: ignore[arg-type]
            spec,
            reporter,
            feeds=feeds_of(trainjob(1, {"jobsStatus": RUNNING, "conditions": conditions}), pods),
            recording=recording,
            now=now,
        )

    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause is Cause.TIMEOUT
    assert clock in outcome.diagnosis.message


async def test_a_training_that_ran_before_its_pods_were_refused_is_timed_all_the_same() -> None:
    reporter, told = Recorder(), asyncio.Event()
    reporter.on_phase = lambda phase: told.set()
    spec = WaitSpec(name="job", uid="u", get_logs=False, run_timeout=0.1)

    async with asyncio.timeout(20):
        outcome = await wait(
            Api([]),  # type: ignore[arg-type]
            spec,
            reporter,
            feeds=feeds_of(trainjob(1, {"jobsStatus": RUNNING}), Refusing(told)),
        )

    assert outcome.diagnosis is not None
    assert "run_timeout" in outcome.diagnosis.message


async def test_a_wait_that_is_cancelled_twice_leaves_nothing_that_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A triggerer sends its cancel again after about a second, when a log may not be closed yet."""

    class Slow(Api):
        opened, may_close = asyncio.Event(), asyncio.Event()

        @contextlib.asynccontextmanager
        async def stream_log(self, pod: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes]]:
            self.opened.set()
            try:
                await asyncio.Event().wait()
                yield  # type: ignore[misc]
            finally:
                await self.may_close.wait()

    published: list[dict[str, Any]] = []

    async def publish(record: dict[str, Any]) -> None:
        published.append(record)

    monkeypatch.setattr(recordings, "seconds_between", lambda trainings: 0.0)
    api, pod = Slow([]), pod_object("n0", state=running())
    pod["metadata"]["resourceVersion"] = "1"
    recording = Recording(RecordKeeper(name="job", namespace="default", uid="u"), publish, now=lambda: 0.0)
    waiting = asyncio.create_task(
        wait(
            api,  # type: ignore[arg-type]
            WaitSpec(name="job", uid="u"),
            Recorder(),
            feeds=feeds_of(trainjob(1, {"jobsStatus": RUNNING}), Telling(pod)),
            recording=recording,
        )
    )
    await api.opened.wait()

    waiting.cancel()
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    api.may_close.set()
    before = len(published)
    recording.see_restart("n0")
    for _ in range(50):
        await asyncio.sleep(0)

    assert before > 0
    assert len(published) == before
