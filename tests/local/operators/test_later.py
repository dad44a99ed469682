"""A cluster that says "later" to whatever it is asked for the first time: no task may hear of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.triggers import trainjob as triggers
from tests.proxy import proxy_in_thread, status
from tests.shell_operator import ShellOperator, Task

ANSWERS = {"GET": 500, "POST": 503, "DELETE": 429}


@pytest.fixture
def refused(local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, str]]]:
    """What the connection `later` has refused so far, by method and path: each once."""
    refused: set[tuple[str, str]] = set()

    def refuse(request: web.Request) -> web.Response | None:
        key = request.method, request.path
        if key in refused:
            return None
        refused.add(key)
        return status(ANSWERS[request.method], "Later")

    with proxy_in_thread(asyncio.run(from_kubeconfig(local_cluster.kubeconfig))) as proxy:
        proxy.fault = refuse
        extra = {"kube_config": proxy.kubeconfig(), "namespace": "default"}
        monkeypatch.setenv("AIRFLOW_CONN_LATER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
        yield refused


def operator(script: str, **kwargs: Any) -> ShellOperator:
    with DAG(f"d_{uuid4().hex}"):
        return ShellOperator(task_id="t", script=script, kubernetes_conn_id="later", **kwargs)


def mine(hook: KubeflowTrainerHook, task: Task) -> list[str]:
    trainjobs = [each["metadata"] for each in hook.list()]
    return [each["name"] for each in trainjobs if task.run_id in (each.get("annotations") or {}).values()]


def test_a_task_submits_sweeps_waits_and_cleans_up(
    hook: KubeflowTrainerHook, task: Task, refused: set[tuple[str, str]]
) -> None:
    with pytest.raises(TaskDeferred):
        operator("exec sleep 60").execute(task.context(try_number=1))
    [earlier] = mine(hook, task)

    operator("true", deferrable=False, on_finish_action="delete_trainjob").execute(task.context(try_number=2))

    assert mine(hook, task) == []
    assert [path.endswith(earlier) for method, path in refused if method == "DELETE"].count(True) == 1
    assert [method for method, _ in refused].count("DELETE") == 2


def test_a_task_that_is_ended_while_it_waits_stops_its_trainjob(
    hook: KubeflowTrainerHook, task: Task, refused: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def yes(*_: Any) -> bool:
        return True

    monkeypatch.setattr(triggers, "is_over", yes)
    with pytest.raises(TaskDeferred) as deferred:
        operator("exec sleep 60").execute(task.context())

    asyncio.run(deferred.value.trigger.on_kill())  # type: ignore[attr-defined]

    assert mine(hook, task) == []
    assert "DELETE" in [method for method, _ in refused]
