"""A Secret, or a key of one, that is not there is named where the task fails."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.cluster.resources import SECRETS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.config import (
    DatasetInitializer,
    HuggingFaceDatasetInitializer,
    HuggingFaceModelInitializer,
    Initializer,
    ModelInitializer,
    S3ModelInitializer,
    SecretRef,
    TorchTuneConfig,
    TorchTuneInstructDataset,
)
from airflow_kubeflow_trainer.exceptions import TrainJobNotStartedError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.operators import execution
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.triggers.event import error_of

SECRET = "credentials"
NO_KEY, NO_SECRET = SecretRef(SECRET, key="tokn"), SecretRef("credentals", key="token")


@pytest.fixture
def hook(local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> KubeflowTrainerHook:
    extra = {"kube_config_path": str(local_cluster.kubeconfig), "namespace": "default"}
    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    return KubeflowTrainerHook("test_cluster")


@pytest.fixture
def secret(hook: KubeflowTrainerHook) -> Any:
    path = SECRETS.path(namespace="default")

    async def create(api: TrainJobApi) -> None:
        await api.client.create(path, {"metadata": {"name": SECRET}, "stringData": {"token": "canary"}})

    async def delete(api: TrainJobApi) -> None:
        await api.client.delete(f"{path}/{SECRET}")

    hook.call(create)
    yield
    hook.call(delete)


def operator(folder: Path, fields: dict[str, Any]) -> BuiltinTrainerOperator:
    (folder / "rows.json").write_text("[]")
    sources = {"dataset": DatasetInitializer(f"file://{folder}"), "model": ModelInitializer(f"file://{folder}")}
    with DAG(f"d_{uuid4().hex}"):
        return BuiltinTrainerOperator(
            task_id="t",
            runtime="torchtune-llama3.2-1b",
            initializer=Initializer(**{name: fields.get(name, source) for name, source in sources.items()}),
            config=TorchTuneConfig(
                device="cpu",
                num_proc_per_node=1,
                optimizer="torch.optim.AdamW",
                dataset_preprocess_config=TorchTuneInstructDataset(),
                env=fields.get("env", {}),
            ),
            kubernetes_conn_id="test_cluster",
        )


def failure(hook: KubeflowTrainerHook, task: BuiltinTrainerOperator) -> Any:
    """Run a task's TrainJob until it is seen that it cannot start."""
    identity = TaskIdentity(dag_id=task.dag_id, run_id="r", task_id="t", map_index=-1, try_number=1)
    name = hook.submit(task.manifest(identity))["metadata"]["name"]
    try:
        wait, log = WaitSpec(name=name, startup_patience={"CreateContainerConfigError": 0}), logging.getLogger("task")
        event = execution.wait_here(hook, identity, wait, None, log)
    finally:
        hook.delete(name)
    return error_of(event)


@pytest.mark.usefixtures("secret")
@pytest.mark.filterwarnings("ignore:output is not set")
@pytest.mark.parametrize(
    ("fields", "pod", "words"),
    [
        pytest.param(
            {"model": HuggingFaceModelInitializer("hf://a/b", secret_ref=NO_KEY)},
            "model-initializer",
            f"couldn't find key tokn in Secret default/{SECRET}",
            id="a key for the model",
        ),
        pytest.param(
            {"dataset": HuggingFaceDatasetInitializer("hf://a/b", secret_ref=NO_SECRET)},
            "dataset-initializer",
            'secret "credentals" not found',
            id="a Secret for a key of the data set's",
        ),
        pytest.param(
            {"model": S3ModelInitializer("s3://a/b", secret_ref=SecretRef("credentals"))},
            "model-initializer",
            'secret "credentals" not found',
            id="a whole Secret for the model",
        ),
        pytest.param(
            {"model": S3ModelInitializer("s3://a/b", env={"ACCESS_KEY_ID": NO_KEY})},
            "model-initializer",
            f"couldn't find key tokn in Secret default/{SECRET}",
            id="a key for a variable of the model's",
        ),
        pytest.param(
            {"env": {"WANDB_API_KEY": NO_KEY}},
            "node",
            f"couldn't find key tokn in Secret default/{SECRET}",
            id="a key for the training",
        ),
        pytest.param(
            {"env": {"WANDB_API_KEY": NO_SECRET}},
            "node",
            'secret "credentals" not found',
            id="a Secret for its node",
        ),
    ],
)
def test_a_secret_that_is_not_there_is_named(
    hook: KubeflowTrainerHook, tmp_path: Path, fields: dict[str, Any], pod: str, words: str
) -> None:
    error = failure(hook, operator(tmp_path, fields))

    assert isinstance(error, TrainJobNotStartedError)
    assert words in str(error)
    assert f"-{pod}-0-0-" in str(error)
    assert "canary" not in str(error)
