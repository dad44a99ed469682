"""Runtimes whose TrainJobs cannot be suspended, as Trainer's own for TorchTune: refused, with a remedy that works."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES, TRAINJOBS
from airflow_kubeflow_trainer.config import Initializer, TorchTuneConfig, TorchTuneInstructDataset
from airflow_kubeflow_trainer.exceptions import ConfigError, TrainJobNotStartedError, TrainJobTimeoutError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.sensors.trainjob import TrainJobSensor
from airflow_kubeflow_trainer.trainjob.queue import QUEUE_LABEL
from demo.airflow_api import wait_until
from tests.airflow.administration import NAMESPACE
from tests.control_plane.programs import BUILT
from tests.kueue.plane import KueuePlane
from tests.kueue.queues import MERGE_PATCH, Queue
from tests.kueue.test_queueing import ADMITTED
from tests.kueue.trainings import COMMON, RUNS, end_training, train
from tests.kueue.tries import TIMEOUT, Try

STOCK = "torchtune-llama3.2-1b"

MakeQueue = Callable[[int], Queue]

pytestmark = pytest.mark.filterwarnings("ignore:output is not set")


@pytest.fixture
def runtime(plane: KueuePlane) -> str:
    """Name of a runtime with the claims of TorchTune's, and without its initializers, which take the Internet."""
    mixed, stock = (
        plane.call("get", CLUSTER_TRAINING_RUNTIMES.path(name=name)) for name in ("torch-distributed", STOCK)
    )
    mixed["metadata"] = {"name": f"claims-{uuid4().hex[:6]}", "labels": mixed["metadata"]["labels"]}
    template = mixed["spec"]["template"]["spec"]
    template["volumeClaimPolicies"] = stock["spec"]["template"]["spec"]["volumeClaimPolicies"]
    for policy in template["volumeClaimPolicies"]:
        policy.pop("retentionPolicy", None)
    (container,) = template["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"]
    container["volumeMounts"] = [{"name": "initializer", "mountPath": "/workspace"}]
    plane.call("create", CLUSTER_TRAINING_RUNTIMES.path(), mixed)
    return str(mixed["metadata"]["name"])


def tune(queue: str, **options: Any) -> Try:
    """Run a task that fine-tunes on a GPU."""
    with DAG("d"):
        operator = BuiltinTrainerOperator(
            runtime=STOCK,
            initializer=Initializer(model="hf://a/b", dataset="hf://a/c/data"),
            config=TorchTuneConfig(
                resources_per_node={"gpu": 1},
                dataset_preprocess_config=TorchTuneInstructDataset(column_map={"input": "instruction"}),
            ),
            queue_name=queue,
            **options,
            **COMMON,
        )
    return Try(operator)


def trainjob_on(runtime: str, *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A TrainJob of somebody's own making."""
    return {
        "apiVersion": TRAINJOBS.api_version,
        "kind": TRAINJOBS.kind,
        "metadata": {"name": f"own-{uuid4().hex[:6]}", "namespace": NAMESPACE, "labels": labels or {}},
        "spec": {"runtimeRef": {"name": runtime}, "trainer": {"command": ["true"]}, **spec},
    }


def until_seen(name: str, until: str) -> Try:
    """Run a sensor that soon gives up."""
    with DAG("d"):
        return Try(TrainJobSensor(name=name, until=until, timeout=5, **COMMON))


def conditions(plane: KueuePlane, name: str) -> dict[str, str]:
    trainjob = plane.call("get", TRAINJOBS.path(namespace=NAMESPACE, name=name))
    return {each["type"]: each["status"] for each in (trainjob.get("status") or {}).get("conditions") or []}


def insist(plane: KueuePlane, name: str, *, suspend: bool) -> None:
    """Suspend or resume a TrainJob as one who does not ask whether it can be, until it says that it is."""
    path = TRAINJOBS.path(namespace=NAMESPACE, name=name)
    plane.call("patch", path, {"spec": {"suspend": suspend}}, content_type=MERGE_PATCH)
    wait_until(lambda: conditions(plane, name).get("Suspended") == str(suspend), bool, what="its word", timeout=TIMEOUT)


def test_a_suspension_is_believed_only_when_the_pods_have_ended(
    plane: KueuePlane, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_kubeflow_trainer.cluster.suspension.DOUBT_SECONDS", 2)
    trains = train(None, runtime=runtime)
    trains.until_told(RUNS)
    with pytest.raises(ConfigError, match=f"suspend: TrainJobs of runtime '{runtime}' cannot be suspended"):
        KubeflowTrainerHook("kueue").suspend(trains.name)

    insist(plane, trains.name, suspend=True)
    sensor = until_seen(trains.name, "suspended")

    trains.until_told("It says that it is suspended, and its pods go on: the suspension did not work")
    with pytest.raises(TrainJobTimeoutError):
        sensor.outcome()
    end_training(trains)
    trains.outcome()
    assert "Queued" not in trains.phases()


def test_a_resumption_is_believed_only_when_there_are_pods(plane: KueuePlane, runtime: str) -> None:
    trainjob = trainjob_on(runtime, suspend=True)
    name = trainjob["metadata"]["name"]
    plane.call("create", TRAINJOBS.path(namespace=NAMESPACE), trainjob)
    wait_until(lambda: conditions(plane, name), bool, what="the suspension", timeout=TIMEOUT)

    insist(plane, name, suspend=False)

    with pytest.raises(TrainJobTimeoutError):
        until_seen(name, "admitted").outcome()
    with pytest.raises(ConfigError, match=f"suspend: TrainJobs of runtime '{runtime}' cannot be suspended or resumed"):
        KubeflowTrainerHook("kueue").resume(name)
    KubeflowTrainerHook("kueue").delete(name)


def test_a_queue_is_refused_on_such_a_runtime_and_after_the_remedy_its_trainjobs_are_queued_and_admitted(
    plane: KueuePlane, runtime: str, queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_kubeflow_trainer.cluster.queueing.STUCK_SECONDS", 5)
    closed = queue(0)
    for field, labels, spec in (
        ("metadata.labels", {QUEUE_LABEL: closed.name}, {}),
        ("spec.suspend", {}, {"suspend": True}),
    ):
        with pytest.raises(ConfigError, match=rf"{field}.*: TrainJobs of runtime '{STOCK}' cannot be suspended"):
            KubeflowTrainerHook("kueue").submit(trainjob_on(STOCK, labels=labels, **spec))
    with pytest.raises(ConfigError, match=f"on_kill_action: TrainJobs of runtime '{STOCK}' cannot be suspended"):
        train(None, runtime=STOCK, on_kill_action="suspend_trainjob").outcome()
    with pytest.raises(ConfigError, match=f"queue_name: TrainJobs of runtime '{STOCK}' cannot be suspended") as stock:
        tune(closed.name).outcome()
    with pytest.raises(ConfigError, match=f"queue_name: TrainJobs of runtime '{runtime}' cannot be suspended") as own:
        train(closed.name, runtime=runtime).outcome()

    follow(str(stock.value), plane)
    follow(str(own.value), plane)

    tunes, trains = tune(closed.name, admission_timeout=25), train(closed.name, runtime=runtime)
    for waits in (tunes, trains):
        waits.until_told("Kueue: Pending: couldn't assign flavors")
    closed.grow(gpus=2)
    trains.until_told(ADMITTED, RUNS)
    end_training(trains)
    trains.outcome()
    # One of TorchTune Kueue 0.15 cannot resume all the same.
    with pytest.raises(TrainJobNotStartedError, match="Kueue has admitted the job, and cannot resume it"):
        tunes.outcome()
    assert tunes.kueue()[-1] == ADMITTED


def follow(refusal: str, plane: KueuePlane) -> None:
    """Do what the refusal says, to the letter."""
    (remedy,) = re.findall(r"Remedy, [^:]*: (kubectl .*)", refusal)
    environment = {"PATH": f"{BUILT / 'bin'}:{os.environ['PATH']}", "KUBECONFIG": str(plane.kubeconfig)}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", remedy],
        env=environment | {"HOME": str(plane.directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
