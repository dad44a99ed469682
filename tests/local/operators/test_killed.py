"""What triggers do whose tasks are ended: Airflow gives them half a minute, all of them together."""

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


@pytest.mark.parametrize("action", ["delete_trainjob", "suspend_trainjob"])
def test_another_trainjob_that_has_the_name_by_now_is_left_alone(
    hook: KubeflowTrainerHook, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    run = uuid4().hex
    first = hook.submit(suspended(f"again-{run[:8]}"))
    trigger = waiting_for(first, run, -1, on_kill_action=action)
    hook.delete(first["metadata"]["name"])
    second = hook.submit(suspended(first["metadata"]["name"]) | {"spec": {"runtimeRef": {"name": "torch-distributed"}}})
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda **_: {run: {"t": "failed"}})

    asyncio.run(trigger.on_kill())

    there = hook.get(first["metadata"]["name"])
    assert there["metadata"]["uid"] == second["metadata"]["uid"]
    assert not there["spec"].get("suspend")
    hook.delete(first["metadata"]["name"])


def suspended(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": name},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "suspend": True},
    }


def waiting_for(trainjob: dict[str, Any], run: str, index: int, **how: Any) -> TrainJobTrigger:
    metadata = trainjob["metadata"]
    return TrainJobTrigger(
        cluster={"kubernetes_conn_id": "test_cluster", "namespace": "default"},
        wait=WaitSpec(name=metadata["name"], uid=metadata["uid"]).to_dict(),
        task=TaskKey(dag_id="d", run_id=run, task_id="t", map_index=index).to_dict(),
        **how,
    )
