"""A real Airflow and a local cluster, once for all tests of this folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES, TRAINING_RUNTIMES
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from demo.airflow_stack import AirflowStack
from tests.airflow.administration import NAMESPACE, Cluster
from tests.airflow.stack import airflow_stack, tiny_parameters
from tests.proxy import Proxy, proxy_in_thread

CLAIM = "models"
RUNTIME = "torchtune-llama3.2-1b"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("cluster")
    with LocalCluster(directory, restart_backoff_seconds=0) as local:
        started = Cluster(directory, local.kubeconfig)
        started.create_claim(CLAIM)
        _create_unforgiving_runtime(started)
        yield started


@pytest.fixture(scope="session")
def watched(cluster: Cluster) -> Iterator[Proxy]:
    """The way to the cluster that the connection "watched" takes."""
    with proxy_in_thread(asyncio.run(from_kubeconfig(cluster.kubeconfig))) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def rotating(watched: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of the connection "rotating", whose requests pass the proxy too."""
    path = tmp_path_factory.mktemp("rotating") / "kubeconfig"
    path.write_text(json.dumps(watched.kubeconfig()))
    return path


@pytest.fixture(scope="session")
def airflow(
    cluster: Cluster, watched: Proxy, rotating: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowStack]:
    connections = {
        "kubernetes_default": {"kube_config_path": str(cluster.kubeconfig)},
        "watched": {"kube_config": watched.kubeconfig()},
        "rotating": {"kube_config_path": str(rotating)},
    }
    with airflow_stack(tmp_path_factory.mktemp("airflow"), connections=connections) as stack:
        stack.wait_for_dag("finetune_llm")
        stack.wait_for_dag("tiny_train")
        stack.wait_for_dag("shell")
        yield stack


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run's parameters for the model of three million weights."""
    return tiny_parameters(tmp_path_factory.mktemp("tiny"), claim=CLAIM)


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
