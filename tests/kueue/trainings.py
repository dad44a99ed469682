"""Tasks whose trainings go on until they are told to end."""

from __future__ import annotations

import os
import time
from typing import Any

from airflow.sdk import DAG

from airflow_kubeflow_trainer import CustomTrainerOperator
from demo.airflow_api import wait_until
from tests.control_plane import telling
from tests.kueue.tries import TIMEOUT, Try

RUNS = "it runs"
COMMON: dict[str, Any] = {"task_id": "t", "kubernetes_conn_id": "kueue"}


def train(queue: str | None, *, of: type[CustomTrainerOperator] = CustomTrainerOperator, **options: Any) -> Try:
    """Run a task whose training on one GPU goes on until it is told to end.

    :param queue: name of the queue that it waits in.
    :param of: its operator.
    """
    arguments = COMMON | {"runtime": "torch-distributed"} | options
    with DAG("d"):
        operator = of(
            command=["sh", "-c", f"echo {RUNS}; {telling.LISTENS}"],
            env={telling.MARK: f"{queue}-{time.monotonic_ns()}"},
            num_proc_per_node=1,
            resources_per_node={"gpu": 1},
            queue_name=queue,
            **arguments,
        )
    return Try(operator)


def end_training(trained: Try) -> None:
    """Let the training of a task come to its good end, once it listens."""
    mark = str(trained._operator.env[telling.MARK])

    def signalled() -> bool:
        found = list(telling.listening(mark, telling.SUCCEED))
        for process in found:
            os.kill(process, telling.SUCCEED)
        return bool(found)

    wait_until(signalled, bool, what="a training that listens", timeout=TIMEOUT)
