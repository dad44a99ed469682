"""A DAG through a real Airflow, Trainer, JobSet, Job controller and kubelet, down to TorchTune: nothing is played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import training_log
from demo.airflow_api import LogLine, wait_until
from demo.airflow_stack import AirflowStack
from tests.airflow import digits
from tests.airflow.administration import NAMESPACE, Cluster
from tests.airflow.stack import airflow_stack, tiny_parameters
from tests.airflow.told import Told
from tests.control_plane import all_reduce
from tests.control_plane.access import documented_token
from tests.control_plane.plane import ControlPlane

CLAIM = "models"
TIMEOUT = 240.0
# The first test waits for the start of Airflow too.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane, node: Path) -> Cluster:
    found = Cluster(node, plane.kubeconfig)
    found.create_claim(CLAIM)
    return found


@pytest.fixture(scope="module")
def airflow(plane: ControlPlane, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """An Airflow that may do in the cluster what the documentation says, and nothing else."""
    extra = {"kube_config": plane.kubeconfig_for(documented_token(plane, NAMESPACE))}
    with airflow_stack(tmp_path_factory.mktemp("airflow"), connections={"kubernetes_default": extra}) as stack:
        stack.wait_for_dag("tiny_train")
        stack.wait_for_dag("shell_pair")
        stack.wait_for_dag("wait_for_trainjob")
        stack.wait_for_dag("when_a_trainjob_ends")
        stack.wait_for_dag("sweep_digits")
        yield stack


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return tiny_parameters(tmp_path_factory.mktemp("tiny"), claim=CLAIM)


def test_a_dag_fine_tunes_a_model_with_torchtune(airflow: AirflowStack, cluster: Cluster, tiny: dict[str, Any]) -> None:
    run_id = airflow.api.trigger("tiny_train", conf=tiny)

    task = airflow.api.wait_for_task("tiny_train", run_id, "train", timeout=TIMEOUT)

    lines = airflow.api.log("tiny_train", run_id, "train")
    assert task["state"] == "success", text(lines)
    steps = Counter(line.text.split(" | ")[0] for line in lines if line.text.startswith("Step "))
    assert steps == {f"Step {step}": 1 for step in range(1, 5)}
    curve = training_log.losses(line.text for line in lines)
    assert curve[4] < curve[1]
    assert completion(cluster.trainjobs("tiny_train", run_id)) == ("True", "AllJobsCompleted")
    result = airflow.api.xcom("tiny_train", run_id, "train", "return_value")
    assert list((cluster.volume(result["claim_name"]) / result["sub_path"]).glob("**/*.safetensors"))


def test_a_dag_trains_on_two_nodes_with_torch_distributed(airflow: AirflowStack, cluster: Cluster) -> None:
    run_id = airflow.api.trigger("shell_pair", conf={"script": all_reduce.AS_SHELL})

    task = airflow.api.wait_for_task("shell_pair", run_id, "run", timeout=TIMEOUT)

    lines = airflow.api.log("shell_pair", run_id, "run")
    assert task["state"] == "success", text(lines)
    assert all_reduce.SUM_OF_TWO in [line.text for line in lines]
    assert completion(cluster.trainjobs("shell_pair", run_id)) == ("True", "AllJobsCompleted")


def test_a_dag_waits_for_a_trainjob_that_is_submitted_later(airflow: AirflowStack, cluster: Cluster) -> None:
    run_id = airflow.api.trigger("wait_for_trainjob", conf={"trainjob": "submitted-later"})
    airflow.api.wait_for_task("wait_for_trainjob", run_id, "trained", "deferred", timeout=TIMEOUT)

    cluster.submit("submitted-later")

    assert airflow.api.wait_for_run("wait_for_trainjob", run_id, timeout=TIMEOUT) == "success"
    seen = airflow.api.xcom("wait_for_trainjob", run_id, "trained", "return_value")
    assert (seen["phase"], seen["reason"]) == ("Succeeded", "AllJobsCompleted")


def test_a_dag_is_woken_by_the_end_of_a_trainjob(airflow: AirflowStack, cluster: Cluster) -> None:
    name = Told(airflow, cluster).end_one_that_is_told()

    [run_id, *_] = wait_until(
        lambda: airflow.api.run_ids("when_a_trainjob_ends"), bool, what="a run of the DAG", timeout=TIMEOUT
    )
    assert airflow.api.wait_for_run("when_a_trainjob_ends", run_id, timeout=TIMEOUT) == "success"
    [report] = [
        told
        for told in airflow.api.xcom("when_a_trainjob_ends", run_id, "report", "return_value")
        if told["name"] == name
    ]
    assert (report["outcome"], report["reason"]) == ("complete", "AllJobsCompleted")
    assert report["uid"] == cluster.trainjob(name)["metadata"]["uid"]


def test_a_dag_trains_a_function_on_two_nodes_and_gets_its_accuracy(airflow: AirflowStack, cluster: Cluster) -> None:
    digits.train_on_two_nodes(airflow, cluster)


def test_a_dag_maps_a_training_over_learning_rates(airflow: AirflowStack, cluster: Cluster) -> None:
    digits.sweep_learning_rates(airflow, cluster)


def completion(trainjobs: list[dict[str, Any]]) -> tuple[str, str]:
    [trainjob] = trainjobs
    [found] = [condition for condition in trainjob["status"]["conditions"] if condition["type"] == "Complete"]
    return found["status"], found["reason"]


def text(lines: list[LogLine]) -> str:
    return "\n".join(line.text for line in lines)
