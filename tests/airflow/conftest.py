"""A real Airflow and a local cluster, once for all tests of this folder.

AIRFLOW_PYTHON names the Python of another environment, in which another Airflow is installed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import (
    CLUSTER_TRAINING_RUNTIMES,
    PERSISTENT_VOLUME_CLAIMS,
    TRAINING_RUNTIMES,
    TRAINJOBS,
)
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from demo.airflow_stack import AirflowStack
from tests.proxy import Proxy, proxy_in_thread
from tests.tinymodel import llama

ROOT = Path(__file__).parents[2]
NAMESPACE = "default"
CLAIM = "models"
RUNTIME = "torchtune-llama3.2-1b"


@dataclass(frozen=True)
class Cluster:
    """The local cluster, as its administrator sees it."""

    directory: Path
    kubeconfig: Path

    def call(self, verb: str, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Call one method of `Client`, on a connection of its own."""

        async def work() -> dict[str, Any]:
            async with Client(await from_kubeconfig(self.kubeconfig)) as client:
                answer: dict[str, Any] = await getattr(client, verb)(path, *arguments, **options)
                return answer

        return asyncio.run(work())

    def trainjobs(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The TrainJobs of a DAG run."""
        found = self.call("get", TRAINJOBS.path(namespace=NAMESPACE))["items"]
        return [job for job in found if {dag_id, run_id} <= set(job["metadata"].get("annotations", {}).values())]

    def volume(self, claim: str) -> Path:
        """Where the files of a claim lie."""
        return self.directory / "volumes" / NAMESPACE / claim


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("cluster")
    with LocalCluster(directory, restart_backoff_seconds=0) as local:
        started = Cluster(directory, local.kubeconfig)
        _create_claim(started)
        _create_unforgiving_runtime(started)
        yield started


@pytest.fixture(scope="session")
def watched(cluster: Cluster) -> Iterator[Proxy]:
    """The way to the cluster that the connection "watched" takes."""
    with proxy_in_thread(asyncio.run(from_kubeconfig(cluster.kubeconfig))) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def airflow(cluster: Cluster, watched: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    home = tmp_path_factory.mktemp("airflow")
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(cluster.kubeconfig)}}
    env = {
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_WATCHED": json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": watched.kubeconfig()}}),
        "PYTHONPATH": str(ROOT),
        # A triggerer that died is noticed soon.
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    }
    python = os.environ.get("AIRFLOW_PYTHON", sys.executable)
    with AirflowStack(home=home, dags=_dag_folder(home / "dags"), env=env, python=python) as stack:
        stack.wait_for_dag("finetune_llm")
        stack.wait_for_dag("tiny_train")
        stack.wait_for_dag("shell")
        yield stack


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run's parameters for the model of three million weights."""
    folder = tmp_path_factory.mktemp("tiny")
    return {
        "model": llama.write_model(folder / "model").as_uri(),
        "dataset": llama.write_rows(folder / "dataset").as_uri(),
        "overrides": llama.OVERRIDES,
        "claim": CLAIM,
    }


def _create_claim(cluster: Cluster) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    cluster.call("create", PERSISTENT_VOLUME_CLAIMS.path(namespace=NAMESPACE), claim)


def _create_unforgiving_runtime(cluster: Cluster) -> None:
    """The stock runtime again, as the namespace's own, in which a pod that fails is not started again."""
    stock = cluster.call("get", CLUSTER_TRAINING_RUNTIMES.path(name=RUNTIME))
    spec = stock["spec"]
    for replicated_job in spec["template"]["spec"]["replicatedJobs"]:
        job: dict[str, Any] = replicated_job["template"].setdefault("spec", {})
        job["backoffLimit"] = 0
        job["template"]["spec"]["restartPolicy"] = "Never"
    runtime: Mapping[str, Any] = {
        "apiVersion": stock["apiVersion"],
        "kind": "TrainingRuntime",
        "metadata": {"name": RUNTIME, "namespace": NAMESPACE, "labels": stock["metadata"].get("labels", {})},
        "spec": spec,
    }
    cluster.call("create", TRAINING_RUNTIMES.path(namespace=NAMESPACE), runtime)


def _dag_folder(folder: Path) -> Path:
    """One folder with the examples and the DAGs of the tests."""
    folder.mkdir(parents=True)
    for file in (*(ROOT / "dags").glob("*.py"), *(Path(__file__).parent / "dags").glob("*.py")):
        (folder / file.name).symlink_to(file)
    return folder
