"""An operator's surroundings: a cluster behind an Airflow connection, and a task instance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import ExecutorSafeguard

from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.shell_operator import ShellOperator, Task


@pytest.fixture(autouse=True)
def outside_of_a_task_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)


@pytest.fixture
def hook(local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> KubeflowTrainerHook:
    extra = {"kube_config_path": str(local_cluster.kubeconfig), "namespace": "default"}
    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    return KubeflowTrainerHook("test_cluster")


@pytest.fixture
def task(hook: KubeflowTrainerHook) -> Iterator[Task]:
    task = Task()
    yield task
    for trainjob in hook.list():
        if task.run_id in (trainjob["metadata"].get("annotations") or {}).values():
            hook.delete(trainjob["metadata"]["name"])


def operator(script: str, **kwargs: Any) -> ShellOperator:
    with DAG(f"d_{uuid4().hex}"):
        return ShellOperator(
            task_id="t", script=script, kubernetes_conn_id="test_cluster", **{"deferrable": False} | kwargs
        )


def mine(hook: KubeflowTrainerHook, task: Task) -> list[dict[str, Any]]:
    return [tj for tj in hook.list() if task.run_id in (tj["metadata"].get("annotations") or {}).values()]


async def event_of(trigger: Any) -> Any:
    return (await anext(trigger.run())).payload
