"""TrainJobs on the local cluster that do in a second what a training takes hours for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.local import runtimes
from tests.reporting import Recorder


@pytest.fixture
def reporter() -> Recorder:
    return Recorder()


@pytest.fixture
async def api(local_cluster: LocalCluster) -> AsyncIterator[TrainJobApi]:
    async with Client(await from_kubeconfig(local_cluster.kubeconfig)) as client:
        yield TrainJobApi(client, namespace="default")


@pytest.fixture
async def make(api: TrainJobApi) -> AsyncIterator[Callable[..., Any]]:
    """Create a TrainJob that runs a shell script; all of them are gone after the test."""
    names: list[str] = []

    async def create(
        script: str, *, runtime: str = "torch-distributed", labels: dict[str, str] | None = None, **spec: Any
    ) -> dict[str, Any]:
        name = f"w-{uuid4().hex[:8]}"
        names.append(name)
        trainer = {"command": ["sh", "-c", script], "numProcPerNode": 1, **spec.pop("trainer", {})}
        return await api.create(
            {
                "apiVersion": "trainer.kubeflow.org/v1alpha1",
                "kind": "TrainJob",
                "metadata": {"name": name, "namespace": api.namespace, "labels": labels or {}},
                "spec": {"runtimeRef": {"name": runtime}, "trainer": trainer, **spec},
            }
        )

    yield create
    left = {trainjob["metadata"]["name"] for trainjob in await api.find()}
    for name in left & set(names):
        await api.delete(name)


@pytest.fixture
def admin(api: TrainJobApi) -> Client:
    """The way to everything, for what an outsider does."""
    return api.client


@pytest.fixture
async def gives_up_at_once(api: TrainJobApi, admin: Client) -> str:
    return await runtimes.gives_up_at_once(TrainJobApi(admin, namespace=api.namespace))


def mounting(volume: dict[str, Any], *, name: str = "extra") -> dict[str, Any]:
    """A runtime patch that mounts a volume into the training's container."""
    pod = {
        "volumes": [{"name": name, **volume}],
        "containers": [{"name": "node", "volumeMounts": [{"name": name, "mountPath": "/extra"}]}],
    }
    jobs = [{"name": "node", "template": {"spec": {"template": {"spec": pod}}}}]
    return {"manager": "example.com/test", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}
