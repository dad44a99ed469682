"""DAGs that go through whatever happens: trainings that end well, and trainings that fail."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from tests.shell_operator import ShellOperator

LINES = 24
# Each line only once, and some time in which something may happen.
TRAINS = f"for i in $(seq 1 {LINES}); do echo line $i; sleep 0.5; done"

with DAG("trains", schedule=None, max_active_runs=24, max_active_tasks=24):
    # Tries enough for whatever kills workers.
    ShellOperator(
        task_id="run", script=TRAINS, kubernetes_conn_id="soaked", retries=20, retry_delay=timedelta(seconds=1)
    )

with DAG("fails", schedule=None, max_active_runs=8, max_active_tasks=8):
    ShellOperator(task_id="run", script=f"{TRAINS}; exit 3", kubernetes_conn_id="soaked", max_restarts=0)
