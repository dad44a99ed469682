"""Training functions as the real control plane takes them: all runtimes that Trainer ships, and kubectl's view."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_kubeflow_trainer import CustomTrainerOperator
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.config.function import read_function
from airflow_kubeflow_trainer.exceptions import ApiError
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView
from tests.control_plane.kubectl import Kubectl
from tests.control_plane.plane import ControlPlane

IDENTITY = TaskIdentity(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1)


def train(rate: float) -> str:
    """Train at $(RATE)."""
    import os

    home = os.environ.get("HOME")

    return f"{rate} ${home} $(date) \\ `id`"


def manifest(runtime: RuntimeView, namespace: str, **arguments: Any) -> dict[str, Any]:
    with DAG("d"):
        operator = CustomTrainerOperator(task_id="t", runtime=runtime.name, num_nodes=2, name=runtime.name, **arguments)
    return operator.build_manifest(operator.options(IDENTITY, runtime, namespace))


async def test_functions_and_containers_are_admitted_on_every_runtime_that_trainer_ships(
    api: TrainJobApi, namespace: str
) -> None:
    runtimes = [RuntimeView.from_object(runtime) for runtime in await api.list_runtimes()]
    refused = {}
    for runtime in runtimes:
        for arguments in ({"func": train, "func_args": {"rate": 0.1}}, {"command": ["python", "-m", "train"]}):
            try:
                await api.create(manifest(runtime, namespace, **arguments), dry_run=True)
            except ApiError as error:
                refused[runtime.name] = error.message

    assert refused == {}
    # As which they are taken where they cannot be read.
    known = [(RuntimeView.stock(runtime.name), replace(runtime, claims_unretained=())) for runtime in runtimes]
    assert all(stock in (None, runtime) for stock, runtime in known)
    policies = {runtime.name: runtime.policy for runtime in runtimes}
    assert (
        policies.items()
        >= {
            "torch-distributed": "torch",
            "deepspeed-distributed": "mpi",
            "mlx-distributed": "mpi",
            "jax-distributed": "jax",
            "xgboost-distributed": "xgboost",
        }.items()
    )


async def test_kubectl_shows_the_function_as_it_is_written(
    api: TrainJobApi, namespace: str, plane: ControlPlane, tmp_path: Path
) -> None:
    runtime = RuntimeView.plain("torch-distributed", kind="ClusterTrainingRuntime")
    name = (await api.create(manifest(runtime, namespace, func=train, func_args={"rate": 0.1})))["metadata"]["name"]

    kubectl = Kubectl(plane.kubeconfig, tmp_path, namespace)
    shown = (await asyncio.to_thread(kubectl, "get", "trainjob", name, "--output=yaml")).splitlines()

    source = read_function(train).source.replace("$", "$$").splitlines()
    start = next(number for number, line in enumerate(shown) if line.endswith(source[0]))
    margin = len(shown[start]) - len(source[0])
    assert [line[margin:] for line in shown[start : start + len(source)]] == source
