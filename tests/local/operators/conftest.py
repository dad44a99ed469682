"""An operator's surroundings: a cluster behind an Airflow connection, and a task instance."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.shell_operator import Task


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
