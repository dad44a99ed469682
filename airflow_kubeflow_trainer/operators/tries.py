"""Which try of which task runs, and how long it may."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity

if TYPE_CHECKING:
    from airflow.sdk import Context


def identity_of(context: Mapping[str, Any] | Context) -> TaskIdentity:
    """Read which try of which task this is."""
    ti = context["ti"]
    return TaskIdentity(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        try_number=ti.try_number,
        ti_id=str(getattr(ti, "id", None) or ""),
    )


def deadline_of(context: Context, execution_timeout: timedelta | None) -> float | None:
    """Give the moment at which the whole try is over, counted from its start, as Airflow counts."""
    if execution_timeout is None:
        return None
    started: datetime = context["ti"].start_date
    return float(started.timestamp() + execution_timeout.total_seconds())
