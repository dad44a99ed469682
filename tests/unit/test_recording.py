"""When the record of a training is published, and in which order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster import recording as recordings
from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.cluster.recording import Recording
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause, Diagnosis
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.progress import Recorder


class Airflow:
    """Takes a record only when it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.kept: list[dict[str, Any]] = []

    async def publish(self, record: dict[str, Any]) -> None:
        self.asked.set()
        await self.may_answer.wait()
        self.kept.append(record)


async def test_a_record_under_way_gets_through_before_the_last_one_and_nothing_comes_after() -> None:
    airflow = Airflow()
    recording = Recording(Recorder(name="job", namespace="default", uid="u"), airflow.publish, now=lambda: 1.0)
    recording.start()
    recording.see_phase(PhaseReport(Phase.RUNNING), {}, (), trainer_job="node")
    await airflow.asked.wait()

    ending = asyncio.create_task(recording.finish(Diagnosis(Cause.DELETED, "gone")))
    await asyncio.sleep(0)
    recording.see_phase(PhaseReport(Phase.RUNNING), {}, (), trainer_job="node")
    airflow.may_answer.set()
    await ending
    await recording.close()

    assert [record["diagnosis"] is None for record in airflow.kept] == [True, False]


async def test_what_a_training_tells_is_recorded_within_its_phase_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "INTERVAL_SECONDS", 0.01)
    airflow = Airflow()
    airflow.may_answer.set()
    recording = Recording(Recorder(name="job", namespace="default", uid="u"), airflow.publish, now=lambda: 1.0)
    recording.start()

    told = 'kubeflow-trainer: {"step": 3, "loss": 0.5}'
    recording.see_line(LogLine("pod", datetime.now(UTC), told, raw=told))
    await airflow.asked.wait()
    await recording.close()

    assert airflow.kept[0]["progress"]["step"] == 3


@pytest.mark.parametrize(("trainings", "seconds"), [(1, 30.0), (300, 30.0), (3000, 300.0)])
def test_of_many_trainings_each_is_recorded_less_often_and_not_all_at_once(trainings: int, seconds: float) -> None:
    chosen = [recordings.seconds_between(trainings) for _ in range(100)]

    assert all(0.5 * seconds <= each <= 1.5 * seconds for each in chosen)
    assert max(chosen) - min(chosen) > 0.5 * seconds


async def test_a_phase_that_begins_while_a_record_is_under_way_is_recorded_next() -> None:
    airflow = Airflow()
    recording = Recording(Recorder(name="job", namespace="default", uid="u"), airflow.publish, now=lambda: 1.0)
    recording.start()
    recording.see_phase(PhaseReport(Phase.STARTING), {}, (), trainer_job="node")
    await airflow.asked.wait()

    airflow.asked.clear()
    recording.see_phase(PhaseReport(Phase.RUNNING), {}, (), trainer_job="node")
    airflow.may_answer.set()
    await airflow.asked.wait()
    await recording.finish(None)

    assert [record["phase"] for record in airflow.kept] == ["Starting", "Running", "Running"]


async def test_a_record_of_a_training_that_tells_nothing_new_is_not_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recordings, "seconds_between", lambda trainings: 0.0)
    airflow = Airflow()
    airflow.may_answer.set()
    recording = Recording(Recorder(name="job", namespace="default", uid="u"), airflow.publish, now=lambda: 1.0)
    recording.start()
    recording.see_phase(PhaseReport(Phase.RUNNING), {}, (), trainer_job="node")
    await airflow.asked.wait()

    for _ in range(100):
        await asyncio.sleep(0)
    await recording.close()

    assert len(airflow.kept) == 1
