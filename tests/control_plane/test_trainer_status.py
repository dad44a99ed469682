"""What a training reports to Trainer itself, ``status.trainerStatus``: with Trainer's feature TrainJobStatus on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster import waiting
from airflow_kubeflow_trainer.cluster.recording import Recording
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.local.kubelet.images import NETWORK_ANNOTATION
from airflow_kubeflow_trainer.trainjob.progress import Recorder
from tests.control_plane.node import kubelet
from tests.control_plane.plane import ControlPlane
from tests.reporting import Recorder as Reporter

pytestmark = pytest.mark.timeout(180)

# Reports as Hugging Face's Trainer does, by what Trainer has put into the pod. Its service has a name in the DNS of a
# cluster, which this one does not have.
TRAINING = """
import json, os, ssl, urllib.parse, http.client
address = urllib.parse.urlsplit(os.environ["KUBEFLOW_TRAINER_SERVER_URL"])
trusted = ssl.create_default_context(cafile=os.environ["KUBEFLOW_TRAINER_SERVER_CA_CERT"])
token = open(os.environ["KUBEFLOW_TRAINER_SERVER_TOKEN"]).read()
connection = http.client.HTTPSConnection("localhost", address.port, context=trusted)
def report(**status):
    body = json.dumps({"trainerStatus": {**status, "lastUpdatedTime": "2026-01-01T00:00:00Z"}})
    connection.request("POST", address.path, body, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    print(answer.status, answer.read().decode(), flush=True)
report(progressPercentage=40, estimatedRemainingSeconds=90,
       metrics=[{"name": "loss", "value": "0.25"}, {"name": "current_step", "value": "8"}])
"""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), trainer_status=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def node(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with kubelet(plane, tmp_path_factory.mktemp("node")):
        yield


@pytest.mark.usefixtures("node")
async def test_what_a_training_has_reported_to_trainer_is_in_the_record(api: TrainJobApi) -> None:
    trainjob = await api.create(
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": "reporting", "namespace": api.namespace},
            "spec": {
                "runtimeRef": {"name": "torch-distributed"},
                "trainer": {"command": ["python", "-c", TRAINING], "numProcPerNode": 1},
                "runtimePatches": [as_on_a_real_node()],
            },
        }
    )
    published: list[dict[str, Any]] = []

    async def publish(record: dict[str, Any]) -> None:
        published.append(record)

    uid = trainjob["metadata"]["uid"]
    recording = Recording(Recorder(name="reporting", namespace=api.namespace, uid=uid), publish, now=time.time)
    reporter = Reporter()
    outcome = await waiting.wait(api, WaitSpec(name="reporting", uid=uid), reporter, recording=recording)

    assert outcome.diagnosis is None, outcome
    assert reporter.lines[0].startswith("200 "), reporter.lines
    progress, metrics = published[-1]["progress"], published[-1]["metrics"]
    assert (progress["percent"], progress["step"], progress["remaining_seconds"]) == (40, 8, 90)
    assert metrics["loss"]["latest"] == 0.25
    status = (await api.get("reporting"))["status"]["trainerStatus"]
    assert (status["progressPercentage"], status["estimatedRemainingSeconds"]) == (40, 90)


def as_on_a_real_node() -> dict[str, Any]:
    """It reaches what is not its own, and has an account: the tests' control plane gives it none."""
    pod = {"metadata": {"annotations": {NETWORK_ANNOTATION: "host"}}, "spec": {"serviceAccountName": "default"}}
    jobs = [{"name": "node", "template": {"spec": {"template": pod}}}]
    return {"manager": "example.com/test", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}
