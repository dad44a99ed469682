"""Many tasks that are ended at one time: Airflow gives their triggers half a minute, all of them together."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_kubeflow_trainer.cluster.wait_spec import WaitSpec
from airflow_kubeflow_trainer.hooks.connection import ClusterSettings
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.triggers.task_state import TaskKey
from airflow_kubeflow_trainer.triggers.trainjob import TrainJobTrigger

MANY = 30


def test_neither_airflow_nor_the_cluster_is_asked_more_often_for_many_tasks_that_end_together(
    hook: KubeflowTrainerHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = uuid4().hex
    triggers = [waiting_for(hook.submit(suspended(f"together-{run[:8]}-{index}")), run, index) for index in range(MANY)]
    questions, reached = [], []
    read = ClusterSettings.credentials

    def states(**asked: Any) -> dict[str, dict[str, str]]:
        questions.append(asked)
        return {run: {f"t_{index}": "failed" for index in range(MANY)}}

    async def credentials(settings: ClusterSettings) -> Any:
        reached.append(settings)
        return await read(settings)

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", states)
    monkeypatch.setattr(ClusterSettings, "credentials", credentials)

    async def end_all() -> None:
        await asyncio.gather(*(trigger.on_kill() for trigger in triggers))

    asyncio.run(end_all())

    assert (len(questions), len(reached)) == (1, 1)
    assert [each for each in hook.list() if run[:8] in each["metadata"]["name"]] == []


def suspended(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": name},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "suspend": True},
    }


def waiting_for(trainjob: dict[str, Any], run: str, index: int) -> TrainJobTrigger:
    metadata = trainjob["metadata"]
    return TrainJobTrigger(
        cluster={"kubernetes_conn_id": "test_cluster", "namespace": "default"},
        wait=WaitSpec(name=metadata["name"], uid=metadata["uid"]).to_dict(),
        task=TaskKey(dag_id="d", run_id=run, task_id="t", map_index=index).to_dict(),
    )
