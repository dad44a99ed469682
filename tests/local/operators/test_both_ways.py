"""Deferred or on the worker, with whichever process resumes: the same settings, words and ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.exceptions import (
    TrainJobNotStartedError,
    TrainJobTimeoutError,
    UserCodeError,
)
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.operators import execution
from airflow_kubeflow_trainer.trainjob.starting import DEFAULT_PATIENCE
from airflow_kubeflow_trainer.triggers.trainjob import TrainJobTrigger
from tests.local.operators.conftest import event_of, mine, operator
from tests.shell_operator import Task

STARTED = datetime.now(UTC)


class Caught(Exception):  # noqa: N818
    """A wait on the worker was about to begin."""


def test_a_task_that_defers_hands_over_names_and_numbers_only(
    hook: KubeflowTrainerHook, task: Task, local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow stores a trigger's arguments and events, and shows them."""
    extra = {"kube_config": local_cluster.kubeconfig.read_text(), "namespace": "default"}
    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    with pytest.raises(TaskDeferred) as deferred:
        operator("exit 3", deferrable=True, max_restarts=0).execute(task.context())

    trigger = deferred.value.trigger
    assert isinstance(trigger, TrainJobTrigger)
    _, kwargs = trigger.serialize()
    assert TrainJobTrigger(**json.loads(json.dumps(kwargs))).serialize()[1] == kwargs
    assert kwargs["wait"]["uid"] == task.xcoms["trainjob"]["uid"]
    stored = json.dumps([kwargs, deferred.value.kwargs, task.xcoms, asyncio.run(event_of(trigger))])
    assert len(stored) < 8_192
    assert [secret for secret in (local_cluster.token, "certificate-authority", "exit 3") if secret in stored] == []


@pytest.mark.parametrize("deferrable", [False, True], ids=["on the worker", "deferred"])
def test_both_ways_of_waiting_fail_with_the_same_words(hook: KubeflowTrainerHook, task: Task, deferrable: bool) -> None:
    shell = operator("echo last words; exit 7", deferrable=deferrable)

    def run() -> Any:
        try:
            shell.execute(task.context())
        except TaskDeferred as deferred:
            shell.execute_complete(task.context(), asyncio.run(event_of(deferred.trigger)))

    with pytest.raises(UserCodeError) as failed:
        run()

    # Seven runs of a container that fails at once: that is Trainer's own patience.
    assert "exit code 7, after 6 restarts" in str(failed.value)
    assert "last words" in str(failed.value)


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        pytest.param({"admission_timeout": 11}, "admission_timeout", 11, id="admission_timeout"),
        pytest.param({"startup_timeout": timedelta(minutes=2)}, "startup_timeout", 120, id="startup_timeout"),
        pytest.param({"run_timeout": 13}, "run_timeout", 13, id="run_timeout"),
        pytest.param({"max_restarts": 2}, "max_restarts", 2, id="max_restarts"),
        pytest.param({"get_logs": False}, "get_logs", False, id="get_logs"),
        pytest.param({"log_nodes": [1, 3]}, "log_nodes", [1, 3], id="log_nodes"),
        pytest.param(
            {"startup_patience": {"ImagePullBackOff": 5}},
            "startup_patience",
            {**DEFAULT_PATIENCE, "ImagePullBackOff": 5},
            id="startup_patience",
        ),
        pytest.param(
            {"execution_timeout": timedelta(seconds=90)}, "deadline", STARTED.timestamp() + 90, id="execution_timeout"
        ),
    ],
)
def test_both_ways_of_waiting_wait_for_the_same(
    hook: KubeflowTrainerHook,
    task: Task,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    field: str,
    value: Any,
) -> None:
    waits: list[dict[str, Any]] = []

    def catch(hook: Any, identity: Any, wait: WaitSpec, *_: Any) -> Any:
        waits.append(wait.to_dict())
        raise Caught

    monkeypatch.setattr(execution, "wait_here", catch)
    context = task.context()
    context["ti"].start_date = STARTED

    with pytest.raises(Caught):
        operator("exec sleep 60", **settings).execute(context)
    with pytest.raises(TaskDeferred) as deferred:
        operator("exec sleep 60", deferrable=True, **settings).execute(context)
    waits.append(deferred.value.trigger.wait)

    assert waits[0] == waits[1]
    assert waits[1][field] == value


@pytest.mark.parametrize("deferrable", [False, True], ids=["on the worker", "deferred"])
@pytest.mark.parametrize(
    ("settings", "error", "left"),
    [
        # Each run lasts, so that the six that Trainer allows are not over before the first one is judged.
        pytest.param({"max_restarts": 0, "script": "sleep 2; exit 3"}, UserCodeError, 0, id="max_restarts"),
        pytest.param({"run_timeout": 1}, TrainJobTimeoutError, 0, id="run_timeout"),
        pytest.param({"startup_timeout": 1, "gpus": 512}, TrainJobNotStartedError, 0, id="startup_timeout"),
        pytest.param(
            {"startup_patience": {"Unschedulable": 0}, "gpus": 512}, TrainJobNotStartedError, 0, id="patience"
        ),
        pytest.param({"run_timeout": 1, "on_kill_action": "keep_trainjob"}, TrainJobTimeoutError, 1, id="on_kill"),
        pytest.param({"on_finish_action": "delete_trainjob", "script": "true"}, None, 0, id="on_finish_action"),
    ],
)
def test_a_setting_means_the_same_in_both_modes(
    hook: KubeflowTrainerHook,
    task: Task,
    deferrable: bool,
    settings: dict[str, Any],
    error: type[Exception] | None,
    left: int,
) -> None:
    settings = {"script": "exec sleep 60", "deferrable": deferrable} | settings

    def run() -> None:
        try:
            operator(**settings).execute(task.context())
        except TaskDeferred as deferred:
            # Another process, so another operator.
            operator(**settings).execute_complete(task.context(), asyncio.run(event_of(deferred.trigger)))

    with pytest.raises(error) if error is not None else contextlib.nullcontext():
        run()

    assert len(mine(hook, task)) == left


@pytest.mark.parametrize("action", ["keep_trainjob", "delete_trainjob"])
def test_a_trainjob_that_is_gone_when_its_task_resumes_is_not_missed(
    hook: KubeflowTrainerHook, task: Task, action: str
) -> None:
    options = {"deferrable": True, "on_finish_action": action}
    with pytest.raises(TaskDeferred) as deferred:
        operator("true", **options).execute(task.context())
    event = asyncio.run(event_of(deferred.value.trigger))
    assert hook.delete(event["name"], uid=event["uid"])

    # Another process, so another operator: nothing but the event is left.
    assert operator("true", **options).execute_complete(task.context(), event) is None
