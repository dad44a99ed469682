"""DAGs of the tests that train nothing: what becomes of a TrainJob is their subject."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from tests.shell_operator import ShellOperator

COMMON: dict[str, Any] = {"task_id": "run", "script": "{{ params.script }}", "kubernetes_conn_id": "watched"}
DAG_OPTIONS: dict[str, Any] = {"schedule": None, "params": {"script": "true"}}

with DAG("shell", **DAG_OPTIONS):
    ShellOperator(**COMMON)

with DAG("shell_suspends", **DAG_OPTIONS):
    ShellOperator(on_kill_action="suspend_trainjob", **COMMON)

with DAG("shell_keeps", **DAG_OPTIONS):
    ShellOperator(on_kill_action="keep_trainjob", **COMMON)

with DAG("shell_hurries", **DAG_OPTIONS):
    ShellOperator(execution_timeout=timedelta(seconds=15), **COMMON)

with DAG("shell_hurries_on_worker", **DAG_OPTIONS):
    ShellOperator(deferrable=False, execution_timeout=timedelta(seconds=15), **COMMON)

with DAG("shell_has_40_seconds", **DAG_OPTIONS):
    ShellOperator(execution_timeout=timedelta(seconds=40), **COMMON)

with DAG("shell_run_hurries", dagrun_timeout=timedelta(seconds=15), **DAG_OPTIONS):
    ShellOperator(**COMMON)

with DAG("shell_on_worker", **DAG_OPTIONS):
    ShellOperator(deferrable=False, **COMMON)

with DAG("shell_again", **DAG_OPTIONS):
    ShellOperator(retries=1, retry_delay=timedelta(seconds=0), **COMMON)

with DAG("shell_rotating", **DAG_OPTIONS):
    ShellOperator(**COMMON | {"kubernetes_conn_id": "rotating"})

with DAG("shell_pair", **DAG_OPTIONS):
    ShellOperator(nodes=2, **COMMON | {"kubernetes_conn_id": "kubernetes_default"})
