"""What a connection's check says of clusters that lack this or that."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_kubeflow_trainer.cluster import checking
from airflow_kubeflow_trainer.exceptions import TrainJobRejectedError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from tests.control_plane import manifests
from tests.control_plane.access import CLUSTER_ROLE, ROLE, permissions, service_account_token, without
from tests.control_plane.definitions import definition, serving
from tests.control_plane.plane import ControlPlane
from tests.shell_operator import ShellOperator, Task

Connect = Callable[[dict[str, Any]], KubeflowTrainerHook]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    def connect(kube_config: dict[str, Any], namespace: str = "default") -> KubeflowTrainerHook:
        connection = {"conn_type": "kubernetes", "extra": {"kube_config": kube_config, "namespace": namespace}}
        monkeypatch.setenv("AIRFLOW_CONN_CHECKED", json.dumps(connection))
        return KubeflowTrainerHook("checked")

    return connect


def test_a_cluster_with_all_that_is_needed_is_good(plane: ControlPlane, connect: Connect) -> None:
    good, words = connect(plane.kubeconfig_for(plane.token)).test_connection()

    assert good, words
    assert "torchtune-llama3.2-1b" in words


def test_no_cluster_is_told(plane: ControlPlane, connect: Connect) -> None:
    config = plane.kubeconfig_for("x")
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"

    good, words = connect(config).test_connection()
    assert not good
    assert "No answer from the cluster at https://127.0.0.1:1" in words


def test_bad_credentials_are_told(plane: ControlPlane, connect: Connect) -> None:
    good, words = connect(plane.kubeconfig_for("wrong")).test_connection()

    assert not good
    assert "does not accept the credentials" in words


TRAINER_2_1 = "Kubeflow Trainer is 2.1, by the schema of its TrainJobs (trainer.kubeflow.org/v1alpha1)"
LATER = "its Kubeflow Trainer serves trainer.kubeflow.org/v1beta1, and not trainer.kubeflow.org/v1alpha1"
OPERATOR = "is not installed: it serves no trainer.kubeflow.org/v1alpha1, only the Training Operator before it"


@pytest.mark.parametrize(
    ("crds", "words"),
    [
        pytest.param(None, "Kubeflow Trainer v2 is not installed", id="no Trainer"),
        pytest.param(definition("kubeflow.org", "v1", "PyTorchJob"), f"{OPERATOR} (kubeflow.org/v1)", id="before it"),
        pytest.param("2.1.0", TRAINER_2_1, id="too old"),
        pytest.param("2.2.1", "There is no runtime", id="supported, without runtimes"),
        pytest.param(definition("trainer.kubeflow.org", "v1beta1", "TrainJob"), LATER, id="another API version"),
    ],
)
def test_what_trainer_there_is_is_told(tmp_path: Path, connect: Connect, crds: Any, words: str) -> None:
    folder = manifests.folder() / f"crds-{crds}"
    if not isinstance(crds, str):
        folder = tmp_path / "crds"
        folder.mkdir()
        (folder / "crds.yaml").write_text(yaml.safe_dump(crds))

    with ControlPlane(tmp_path / "plane", only_crds=folder) as plane:
        good, said = connect(plane.kubeconfig_for(plane.token)).test_connection()

    assert not good
    assert words in said


def test_a_task_on_a_trainer_that_is_too_old_is_told_so(
    tmp_path: Path, plane: ControlPlane, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow.sdk.bases.operator.ExecutorSafeguard.test_mode", True)
    path = "/apis/trainer.kubeflow.org/v1alpha1/clustertrainingruntimes"
    stock = plane.call("get", f"{path}/torch-distributed")
    stock["metadata"] = {"name": stock["metadata"]["name"]}
    with ControlPlane(tmp_path, only_crds=manifests.folder() / "crds-2.1.0") as old:
        old.call("create", path, stock)
        connect(old.kubeconfig_for(old.token))
        operator = ShellOperator(task_id="t", script="true", kubernetes_conn_id="checked", deferrable=False)

        with pytest.raises(TrainJobRejectedError, match="Kubeflow Trainer is 2.1 or older"):
            operator.execute(Task().context())


def test_a_namespace_that_does_not_exist_is_told(plane: ControlPlane, connect: Connect) -> None:
    good, words = connect(plane.kubeconfig_for(plane.token), "nowhere").test_connection()

    assert not good
    assert "There is no namespace 'nowhere'" in words


async def test_a_trainer_that_does_not_answer_is_told(plane: ControlPlane, connect: Connect) -> None:
    hook = connect(plane.kubeconfig_for(plane.token))

    async with plane.without_trainer():
        good, words = await asyncio.to_thread(hook.test_connection)

    assert not good
    assert "admits no TrainJobs at present" in words
    assert "failed calling webhook" in words


def test_what_is_looked_for_is_what_the_documentation_asks_for() -> None:
    looked_for = {
        (resource.partition(".")[0], verb)
        for resources in (checking.REQUIRED, checking.OPTIONAL, checking.QUEUES)
        for resource, verbs in resources.items()
        for verb in verbs
    }

    assert looked_for == permissions(ROLE) | permissions(CLUSTER_ROLE)


@pytest.mark.parametrize("kueue", [True, False], ids=["with Kueue", "without Kueue"])
def test_permissions_for_queues_are_looked_for_where_there_are_queues(
    plane: ControlPlane, namespace: str, connect: Connect, kueue: bool
) -> None:
    token = service_account_token(plane, namespace, without(ROLE, "workloads", "list"), cluster_rules=CLUSTER_ROLE)

    with serving(plane, "kueue.x-k8s.io", "v1beta1", "Workload") if kueue else nullcontext():
        findings = connect(plane.kubeconfig_for(token), namespace).check()

    lacking = [finding.text for finding in findings if not finding.good]
    assert [text for text in lacking if "list workloads.kueue.x-k8s.io" in text] == (lacking if kueue else [])
    assert bool(lacking) is kueue


@pytest.mark.parametrize(
    ("lacks", "good", "words"),
    [
        pytest.param(("trainjobs", "delete"), False, "delete trainjobs.trainer.kubeflow.org", id="needed"),
        pytest.param(("trainjobs", "create"), False, "Not permitted to create TrainJobs", id="creation"),
        pytest.param(("pods/log", "get"), True, "", id="optional"),
    ],
)
def test_a_permission_that_is_missing_is_named(
    plane: ControlPlane, namespace: str, connect: Any, lacks: tuple[str, str], good: bool, words: str
) -> None:
    token = service_account_token(plane, namespace, without(ROLE, *lacks), cluster_rules=CLUSTER_ROLE)

    answer = connect(plane.kubeconfig_for(token), namespace).test_connection()

    assert answer[0] is good, answer
    assert words in answer[1]


def test_the_command_prints_what_it_found_and_fails_where_no_task_can_run(
    plane: ControlPlane, namespace: str, connect: Any
) -> None:
    token = service_account_token(plane, namespace, without(ROLE, "pods/log", "get"), cluster_rules=CLUSTER_ROLE)
    command = [sys.executable, "-m", "airflow_kubeflow_trainer", "check", "checked"]

    connect(plane.kubeconfig_for(token), namespace)
    limited = subprocess.run(command, capture_output=True, text=True, check=False)
    connect(plane.kubeconfig_for("wrong"), namespace)
    refused = subprocess.run(command, capture_output=True, text=True, check=False)

    assert limited.returncode == 0, limited.stderr
    assert "[??] Not permitted" in limited.stdout
    assert "get pods/log" in limited.stdout
    assert refused.returncode == 1
    assert "[no] The cluster at" in refused.stdout
