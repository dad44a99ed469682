"""When the record of a training is published, and in which order."""

from __future__ import annotations

import asyncio
from typing import Any

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
