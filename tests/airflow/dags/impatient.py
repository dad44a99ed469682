"""A task whose deferral Airflow itself ends soon, on which neither trigger nor triggerer has a say."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_kubeflow_trainer.triggers import deferral
from tests.shell_operator import ShellOperator

# In this file's own workers only.
deferral.MARGIN_SECONDS = 0.0

with DAG("shell_impatient", schedule=None, params={"script": "true"}):
    ShellOperator(
        task_id="run",
        script="{{ params.script }}",
        kubernetes_conn_id="watched",
        execution_timeout=timedelta(seconds=15),
    )
