"""Training functions on a cluster: torchrun over nodes and processes, the result, the traceback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

from airflow_kubeflow_trainer import CustomTrainerOperator
from airflow_kubeflow_trainer.decorators import kubeflow_trainer_task
from airflow_kubeflow_trainer.exceptions import ConfigError, ResultError, UserCodeError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from tests.shell_operator import Task

COMMON: dict[str, Any] = {"task_id": "t", "runtime": "torch-distributed", "kubernetes_conn_id": "test_cluster"}
NAN = float("nan")


def add_up(base: float, text: str, **more: Any) -> dict[str, Any]:
    import os

    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    value = torch.tensor([base + dist.get_rank()])
    dist.all_reduce(value)
    print(f"rank {dist.get_rank()} has {value.item()}", flush=True)  # noqa: T201
    dist.destroy_process_group()
    return {"sum": value[0], "rank": int(os.environ["RANK"]), "text": text, "more": sorted(more)}


def returns(value: Any) -> Any:
    print("one")  # noqa: T201
    return value


def fails_on_rank_1() -> None:
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    if dist.get_rank() == 1:
        raise ValueError("rank 1 has had enough of $(PET_NNODES)")
    # Rank 0 finds out by its connection.
    dist.all_reduce(torch.zeros(1))


def run(operator: Any, task: Task) -> Any:
    """Run a task to its end, in the triggerer's way or the worker's."""
    prepared = operator.prepare_for_execution()
    try:
        return prepared.execute(task.context())
    except TaskDeferred as deferred:
        event = asyncio.run(anext(deferred.trigger.run())).payload
        return prepared.execute_complete(task.context(), event)


def operator_of(func: Callable[..., Any], arguments: dict[str, Any], **settings: Any) -> Any:
    with DAG("d"):
        return CustomTrainerOperator(**COMMON, func=func, func_args=arguments, **settings)


def decorated(func: Callable[..., Any], arguments: dict[str, Any], **settings: Any) -> Any:
    with DAG("d"):
        return kubeflow_trainer_task(**COMMON, **settings)(func)(**arguments).operator


@pytest.mark.parametrize(
    ("make", "deferrable"),
    [
        pytest.param(operator_of, True, id="operator, deferred"),
        pytest.param(decorated, False, id="decorator, on the worker"),
    ],
)
def test_two_nodes_of_two_processes_train_together_and_rank_0_answers(
    hook: KubeflowTrainerHook, task: Task, make: Any, deferrable: bool
) -> None:
    arguments = {"base": 1.0, "text": "$(x) $$ `id`", "rate": NAN}
    operator = make(add_up, arguments, num_nodes=2, num_proc_per_node=2, deferrable=deferrable)

    assert run(operator, task) == {"sum": 10.0, "rank": 0, "text": "$(x) $$ `id`", "more": ["rate"]}

    # Two processes write one log: what PyTorch warns of may stand on the same line.
    assert any("rank 0 has 10.0" in line for line in hook.logs(task.xcoms["trainjob"]["name"]))


def test_the_error_of_another_rank_is_the_one_that_is_told(task: Task) -> None:
    with pytest.raises(UserCodeError) as failed:
        run(operator_of(fails_on_rank_1, {}, num_nodes=2, max_restarts=0), task)

    line = fails_on_rank_1.__code__.co_firstlineno + 6
    words = str(failed.value)
    assert f'File "{__file__}", line {line}, in fails_on_rank_1' in words
    assert "ValueError: rank 1 has had enough of $(PET_NNODES)" in words


def test_a_result_that_is_too_large_fails_the_task_and_trains_once(hook: KubeflowTrainerHook, task: Task) -> None:
    with pytest.raises(ResultError, match=r"returns\(\) returned 5013 bytes of JSON"):
        run(operator_of(returns, {"value": "x" * 5000}), task)

    assert list(hook.logs(task.xcoms["trainjob"]["name"])).count("one") == 1


def test_what_json_has_no_word_for_goes_there_and_comes_back_as_text(task: Task) -> None:
    assert run(operator_of(returns, {"value": [NAN, None, {"__type__": "x"}]}), task) == [
        "NaN",
        None,
        {"__type__": "x"},
    ]


def test_a_function_that_cannot_travel_is_not_submitted(hook: KubeflowTrainerHook, task: Task) -> None:
    operator = operator_of(returns, {"value": 1})
    operator.func = lambda value: value
    before = len(hook.list())

    with pytest.raises(ConfigError, match="func: is a lambda"):
        run(operator, task)

    assert len(hook.list()) == before


def test_a_container_runs_its_own_command(hook: KubeflowTrainerHook, task: Task) -> None:
    with DAG("d"):
        operator = CustomTrainerOperator(
            **COMMON, image="python:3.13", command=["sh", "-c"], args=["echo nodes: $(PET_NNODES)"]
        )

    assert run(operator, task) is None

    assert list(hook.logs(task.xcoms["trainjob"]["name"])) == ["nodes: 1"]
