"""DAGs that go through whatever happens: trainings that end well, fail, and go on until they are ended."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, ExceptionRetryPolicy, RetryAction, RetryRule

from airflow_kubeflow_trainer.exceptions import UserCodeError
from tests.shell_operator import ShellOperator

LINES = 24
# Each line only once, and some time in which something may happen.
TRAINS = f"for i in $(seq 1 {LINES}); do echo line $i; sleep 0.5; done"

# Tries enough for whatever kills workers.
AGAIN = {"kubernetes_conn_id": "soaked", "retries": 20, "retry_delay": timedelta(seconds=1)}

with DAG("trains", schedule=None, max_active_runs=24, max_active_tasks=24):
    ShellOperator(task_id="run", script=TRAINS, **AGAIN)

with DAG("fails", schedule=None, max_active_runs=8, max_active_tasks=8):
    # Whatever else befalls it, it fails by its own fault only.
    policy = ExceptionRetryPolicy(rules=[RetryRule(exception=UserCodeError, action=RetryAction.FAIL)])
    ShellOperator(task_id="run", script=f"{TRAINS}; exit 3", max_restarts=0, retry_policy=policy, **AGAIN)

with DAG("goes_on", schedule=None, max_active_runs=24, max_active_tasks=24):
    ShellOperator(task_id="run", script="exec sleep 100000", **AGAIN)
