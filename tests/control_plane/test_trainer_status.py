"""What a trainer reports to Trainer itself, ``status.trainerStatus``, as the real API server keeps it."""

from __future__ import annotations

import time
from typing import Any

from airflow_kubeflow_trainer.cluster import waiting
from airflow_kubeflow_trainer.cluster.recording import Recording
from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.trainjob.progress import Recorder
from tests.reporting import Recorder as Reporter

REPORTED = {
    "progressPercentage": 40,
    "estimatedRemainingSeconds": 90,
    "metrics": [{"name": "loss", "value": "0.25"}, {"name": "current_step", "value": "8"}],
    "lastUpdatedTime": "2026-01-01T00:00:00Z",
}


async def test_what_a_trainer_has_reported_to_trainer_is_in_the_record(api: TrainJobApi) -> None:
    trainjob = await api.create(
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": "reporting", "namespace": api.namespace},
            "spec": {"runtimeRef": {"name": "torch-distributed"}, "suspend": True},
        }
    )
    path = TRAINJOBS.path(namespace=api.namespace, name="reporting", subresource="status")
    await api.client.patch(path, {"status": {"trainerStatus": REPORTED}})
    published: list[dict[str, Any]] = []

    async def publish(record: dict[str, Any]) -> None:
        published.append(record)

    uid = trainjob["metadata"]["uid"]
    recorder = Recorder(name="reporting", namespace=api.namespace, uid=uid)
    recording = Recording(recorder, publish, now=time.time)
    # It is not to run: that it was told of is enough.
    spec = WaitSpec(name="reporting", uid=uid, admission_timeout=1.0)
    await waiting.wait(api, spec, Reporter(), recording=recording)

    progress, metrics = published[-1]["progress"], published[-1]["metrics"]
    assert (progress["percent"], progress["step"], progress["remaining_seconds"]) == (40, 8, 90)
    assert metrics["loss"]["latest"] == 0.25
    assert (await api.get("reporting"))["status"]["trainerStatus"]["metrics"] == REPORTED["metrics"]
