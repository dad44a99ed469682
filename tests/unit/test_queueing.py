"""Who waits in a queue is told what Kueue says and what it does to his TrainJob, and nothing of it ends the wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster import queueing
from airflow_kubeflow_trainer.cluster.queueing import Queue
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import ApiError, ForbiddenError, NotFoundError
from airflow_kubeflow_trainer.trainjob.identity import MANAGER
from airflow_kubeflow_trainer.trainjob.queue import QUEUE_LABEL
from tests.reporting import Recorder

NO_QUOTA = "couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu, 1 more needed"
SUBMITTED: dict[str, Any] = {"deadline": 60, "patches": [MANAGER, "a/b"]}
OURS, ANOTHERS = [{"manager": MANAGER}], [{"manager": "a/b"}]


class Kueue:
    """Stands where the feed of Workloads does."""

    def __init__(self) -> None:
        self.hear: list[Callable[[Any], None]] = []

    @contextlib.contextmanager
    def subscribe(self, name: str, hear: Callable[[Any], None]) -> Iterator[None]:
        self.hear.append(hear)
        yield
        self.hear.remove(hear)

    def say(self, *conditions: dict[str, str]) -> None:
        for hear in self.hear:
            hear(WatchEvent(WatchType.MODIFIED, {"metadata": {"name": "w"}, "status": {"conditions": [*conditions]}}))


def condition(kind: str, status: str, message: str, reason: str = "") -> dict[str, str]:
    moment = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": moment}


def trainjob(*, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    whole = {"activeDeadlineSeconds": 60, "runtimePatches": [*OURS, *ANOTHERS]}
    return {"metadata": {"labels": {QUEUE_LABEL: "gpus"} if labels is None else labels}, "spec": {**whole, **spec}}


@pytest.fixture
def kueue() -> Kueue:
    return Kueue()


@pytest.fixture
def reporter() -> Recorder:
    return Recorder()


@pytest.fixture
def queue(kueue: Kueue, reporter: Recorder) -> Iterator[Queue]:
    queue = Queue(kueue, "job", SUBMITTED, reporter, lambda see: see())  # type: ignore[arg-type]
    yield queue
    queue.close()
    assert kueue.hear == []


def test_a_trainjob_in_no_queue_is_none_of_kueues(queue: Queue, kueue: Kueue) -> None:
    queue.see_trainjob(trainjob(labels={}), suspended=True)

    assert kueue.hear == []


async def test_waiting_and_being_driven_out_are_told_in_kueues_words(
    queue: Queue, kueue: Kueue, reporter: Recorder
) -> None:
    queue.see_trainjob(trainjob(), suspended=True)
    waits = condition("QuotaReserved", "False", NO_QUOTA, "Pending")

    kueue.say(waits)
    kueue.say(waits)
    assert (reporter.notes, queue.reasons) == ([f"Kueue: Pending: {NO_QUOTA}"], [f"Kueue: {NO_QUOTA}"])
    kueue.say(condition("QuotaReserved", "True", ""), condition("Admitted", "True", "The workload is admitted"))
    assert queue.reasons == []
    kueue.say(condition("Evicted", "True", "Preempted to accommodate a workload"), waits)

    assert reporter.notes[1:] == [
        "Kueue: Admitted: The workload is admitted",
        "Kueue: Evicted: Preempted to accommodate a workload",
    ]
    assert (reporter.warnings, queue.reasons) == ([], [f"Kueue: {NO_QUOTA}"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(NotFoundError(404, "NotFound", ""), "the cluster no Kueue", id="missing"),
        pytest.param(
            ForbiddenError(403, "Forbidden", "cannot list workloads"), "cannot list workloads", id="forbidden"
        ),
        pytest.param(ApiError(500, "InternalError", "etcd is gone"), "etcd is gone", id="out of order"),
    ],
)
def test_that_kueue_cannot_be_heard_costs_words_only(
    queue: Queue, kueue: Kueue, reporter: Recorder, error: Exception, words: str
) -> None:
    queue.see_trainjob(trainjob(), suspended=True)
    for hear in kueue.hear:
        hear(error)

    (warning,) = reporter.warnings
    assert words in warning
    assert queue.reasons == []


@pytest.mark.parametrize(
    ("there", "lost"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({"activeDeadlineSeconds": None}, "activeDeadlineSeconds (60)", id="the deadline"),
        pytest.param(
            {"runtimePatches": ANOTHERS},
            "the operator's patch of its pods (the volume of an output, labels)",
            id="ours",
        ),
        pytest.param({"runtimePatches": OURS}, "the runtime patch of a/b", id="another patch"),
    ],
)
def test_what_an_older_kueue_has_taken_away_is_told_once(
    queue: Queue, reporter: Recorder, there: dict[str, Any], lost: str
) -> None:
    for _ in range(2):
        queue.see_trainjob(trainjob(**there), suspended=False)

    told = [f"On its way through the queue it has lost {lost}. {queueing.OLDER_KUEUE}"] if lost else []
    assert reporter.warnings == told


@pytest.mark.parametrize("resumed", [False, True], ids=["stays suspended", "is resumed"])
async def test_one_that_is_admitted_and_stays_suspended_is_told_and_is_the_reason(
    queue: Queue, kueue: Kueue, reporter: Recorder, monkeypatch: pytest.MonkeyPatch, resumed: bool
) -> None:
    monkeypatch.setattr(queueing, "STUCK_SECONDS", 0.0)
    queue.see_trainjob(trainjob(), suspended=True)

    kueue.say(condition("Admitted", "True", "The workload is admitted"))
    queue.see_trainjob(trainjob(), suspended=not resumed)
    await asyncio.sleep(0.01)

    stuck = "Kueue has admitted it, and its pods are still held back"
    assert [warning[: len(stuck)] for warning in reporter.warnings] == ([] if resumed else [stuck])
    assert [reason[: len(stuck)] for reason in queue.reasons] == ([] if resumed else [stuck])


async def test_one_that_is_resumed_without_its_patch_and_gets_no_pods_is_stuck_too(
    queue: Queue, kueue: Kueue, reporter: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "STUCK_SECONDS", 0.0)
    queue.see_trainjob(trainjob(), suspended=True)

    kueue.say(condition("Admitted", "True", "The workload is admitted"))
    queue.see_trainjob(trainjob(runtimePatches=OURS), suspended=False)
    await asyncio.sleep(0.01)

    assert queue.reasons == [
        "Kueue has admitted it, and its pods are still held back; it has lost the runtime patch of a/b"
    ]


async def test_other_words_of_the_same_condition_are_news_of_now(
    queue: Queue, kueue: Kueue, reporter: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[Any] = []
    monkeypatch.setattr(reporter, "note", lambda text, at=None: moments.append(at))
    queue.see_trainjob(trainjob(), suspended=True)

    kueue.say(condition("QuotaReserved", "False", "2 more needed"))
    kueue.say(condition("QuotaReserved", "False", "1 more needed"))

    first, now = moments
    assert first.isoformat().startswith("2026-01-01T00:00:00")
    assert now is None
