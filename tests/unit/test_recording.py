"""When the record of a training is published, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster import recording as recordings
from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.cluster.recording import Recording
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause, Diagnosis
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.progress import Recorder
from tests.unit.podobjects import pod_object, running


class Airflow:
    """Takes a record only when it is let."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.asked = asyncio.Event()
        self.kept: list[dict[str, Any]] = []
        self._may_answer = asyncio.Event()
        self._refuses = refuses

    def answer(self) -> None:
        self._may_answer.set()

    async def publish(self, record: dict[str, Any]) -> None:
        self.asked.set()
        await self._may_answer.wait()
        if self._refuses:
            self._refuses -= 1
            raise ConnectionError("not now")
        self.kept.append(record)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lets the next record be due at once; gives of how many trainings each was one."""
    trainings: list[int] = []

    def none(of: int) -> float:
        trainings.append(of)
        return 0.0

    monkeypatch.setattr(recordings, "seconds_between", none)
    return trainings


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the next record be due when all tests are over."""
    monkeypatch.setattr(recordings, "seconds_between", lambda trainings: 1e6)


def recording_to(airflow: Airflow) -> Recording:
    return Recording(Recorder(name="job", namespace="default", uid="u"), airflow.publish, now=lambda: 1.0)


def see_phase(recording: Recording, phase: Phase) -> None:
    recording.see_phase(PhaseReport(phase), {}, (), trainer_job="node")


def begun(airflow: Airflow, phase: Phase = Phase.RUNNING) -> Recording:
    """One that has told of a phase."""
    recording = recording_to(airflow)
    recording.start()
    see_phase(recording, phase)
    return recording


async def turns() -> None:
    """Let the event loop go round until all is done that does not wait for anybody."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("late")
async def test_a_record_under_way_gets_through_before_the_last_one_and_nothing_comes_after() -> None:
    airflow = Airflow()
    recording = begun(airflow)
    await airflow.asked.wait()

    ending = asyncio.create_task(recording.finish(Diagnosis(Cause.DELETED, "gone")))
    await turns()
    see_phase(recording, Phase.RUNNING)
    airflow.answer()
    await ending
    await recording.close()
    await turns()

    assert [record["diagnosis"] is None for record in airflow.kept] == [True, False]


TOLD = 'kubeflow-trainer: {"step": 3, "loss": 0.5}'
REPORTED = {
    "spec": {},
    "status": {"trainerStatus": {"progressPercentage": 40, "lastUpdatedTime": "2026-01-01T00:00:00Z"}},
}
NEWS: dict[str, Callable[[Recording], None]] = {
    "its log": lambda recording: recording.see_line(LogLine("pod", datetime.now(UTC), TOLD, raw=TOLD)),
    "its TrainJob": lambda recording: recording.see_trainjob(REPORTED),
    "its pod": lambda recording: recording.see_pod(Pod.from_object(pod_object(state=running()))),
    "a restart": lambda recording: recording.see_restart("pod"),
}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("tell", NEWS.values(), ids=NEWS)
async def test_what_is_new_is_recorded_within_a_phase_too_and_once(tell: Callable[[Recording], None]) -> None:
    airflow = Airflow()
    airflow.answer()
    recording = begun(airflow)
    await turns()
    before = len(airflow.kept)

    tell(recording)
    await turns()
    await recording.close()

    assert (before, len(airflow.kept)) == (1, 2)


@pytest.mark.usefixtures("late")
async def test_a_phase_that_begins_while_a_record_is_under_way_is_recorded_next() -> None:
    airflow = Airflow()
    recording = begun(airflow, Phase.STARTING)
    await airflow.asked.wait()

    see_phase(recording, Phase.RUNNING)
    airflow.answer()
    await turns()
    await recording.close()

    assert [record["phase"] for record in airflow.kept] == ["Starting", "Running"]


@pytest.mark.usefixtures("soon")
async def test_a_record_that_airflow_does_not_take_is_written_when_the_next_one_is_due() -> None:
    airflow = Airflow(refuses=1)
    airflow.answer()
    recording = begun(airflow)
    await turns()
    await recording.close()

    assert [record["phase"] for record in airflow.kept] == ["Running"]


@pytest.mark.usefixtures("late")
async def test_events_that_cannot_be_read_cost_nothing_but_themselves() -> None:
    async def unreadable() -> list[dict[str, Any]]:
        raise KeyError("items")

    airflow = Airflow()
    airflow.answer()
    recording = recording_to(airflow)
    recording.start(unreadable)
    see_phase(recording, Phase.RUNNING)
    await turns()
    await recording.finish(Diagnosis(Cause.DELETED, "gone"))

    assert [record["diagnosis"] is None for record in airflow.kept] == [True, False]


@pytest.mark.usefixtures("late")
async def test_one_that_is_closed_waits_for_nobody_and_writes_no_more() -> None:
    airflow = Airflow()
    recording = begun(airflow)
    await airflow.asked.wait()

    await recording.close()
    airflow.answer()
    see_phase(recording, Phase.RUNNING)
    await turns()

    assert airflow.kept == []


async def test_of_many_trainings_those_that_go_on_are_counted(soon: list[int]) -> None:
    airflow = Airflow()
    airflow.answer()
    going, ended, closed, unstarted = (recording_to(airflow) for _ in range(4))
    for recording in (going, ended, closed):
        recording.start()
    await ended.finish(None)
    for recording in (ended, closed, closed, unstarted):
        await recording.close()

    see_phase(going, Phase.RUNNING)
    await turns()
    await going.close()

    assert (soon[:3], soon[-1]) == ([1, 2, 3], 1)


@pytest.mark.parametrize(("trainings", "seconds"), [(1, 30.0), (300, 30.0), (3000, 300.0)])
def test_of_many_trainings_each_is_recorded_less_often_and_not_all_at_once(trainings: int, seconds: float) -> None:
    chosen = [recordings.seconds_between(trainings) for _ in range(100)]

    assert all(0.5 * seconds <= each <= 1.5 * seconds for each in chosen)
    assert max(chosen) - min(chosen) > 0.5 * seconds
