"""The link to the Training tab of a task instance."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

from airflow_kubeflow_trainer.links import settings


class TrainingLink(BaseOperatorLink):
    """Leads to the Training tab."""

    name = "Training"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        if not settings.has_tab():
            return ""
        where = f"dags/{_quoted(ti_key.dag_id)}/runs/{_quoted(ti_key.run_id)}/tasks/{_quoted(ti_key.task_id)}"
        if ti_key.map_index is not None and ti_key.map_index >= 0:
            where += f"/mapped/{ti_key.map_index}"
        # Where the worker does not know Airflow's address, the link is relative, as all of Airflow's own are.
        return f"{settings.airflows_own_address()}{where}/plugin/{settings.TAB_ROUTE}"


def _quoted(text: str) -> str:
    return quote(text, safe="")
