"""Reading from Airflow's database what its tasks have recorded of their trainings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.renderedtifields import RenderedTaskInstanceFields
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from airflow_kubeflow_trainer.trainjob.progress import RECORD_VERSION, XCOM_KEY
from airflow_kubeflow_trainer.triggers.task_state import XCOM_KEY as TRAINJOB_KEY
from airflow_kubeflow_trainer.ui.comparing import compare

OPERATORS = ("BuiltinTrainerOperator", "CustomTrainerOperator")
"""Names under which Airflow keeps tasks that are ours before they have recorded anything."""
MAX_TRAININGS = 200

_TASK_FIELDS = ("state", "try_number", "operator", "start_date", "end_date", "queued_dttm")


def of_task_instance(session: Session, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any] | None:
    """Give a task instance and the record of its training; None where there is no such task instance.

    ``ours`` says whether it trains at all; ``problem`` why a record that is there cannot be shown.
    """
    key = dag_id, run_id, task_id, map_index
    task = session.execute(_tasks(*_which(TaskInstance, key))).one_or_none()
    if task is None:
        return None
    values = _xcoms(session, key)
    record, problem = read(values.get(XCOM_KEY))
    trainjob, _ = _decoded(values.get(TRAINJOB_KEY))
    is_ours = XCOM_KEY in values or _is_trainjob(trainjob) or task.operator in OPERATORS
    return {
        "task": _plain(task),
        "ours": is_ours,
        "trainjob": trainjob if _is_trainjob(trainjob) else None,
        "record": record,
        "problem": problem,
        "mapped": map_index >= 0,
    }


def manifest(session: Session, dag_id: str, run_id: str, task_id: str, map_index: int) -> str | None:
    """Give the TrainJob that a task has made, as YAML; None where Airflow keeps none (any more)."""
    fields = session.scalar(
        select(RenderedTaskInstanceFields.rendered_fields).where(
            *_which(RenderedTaskInstanceFields, (dag_id, run_id, task_id, map_index))
        )
    )
    return manifest_of(fields or {})


def of_many(
    session: Session, dag_id: str, run_id: str | None, task_id: str | None, metric: str | None
) -> dict[str, Any]:
    """Give the trainings of a DAG run, of a task, or of a mapped task in a run, with the curves of one metric."""
    wanted = [TaskInstance.dag_id == dag_id]
    wanted += [TaskInstance.run_id == run_id] if run_id is not None else []
    wanted += [TaskInstance.task_id == task_id] if task_id is not None else []
    own_record = and_(
        XComModel.dag_id == TaskInstance.dag_id,
        XComModel.run_id == TaskInstance.run_id,
        XComModel.task_id == TaskInstance.task_id,
        XComModel.map_index == TaskInstance.map_index,
        XComModel.key == XCOM_KEY,
    )
    rows = session.execute(
        _tasks(*wanted)
        .add_columns(XComModel.value)
        .outerjoin(XComModel, own_record)
        .where(or_(XComModel.value.is_not(None), TaskInstance.operator.in_(OPERATORS)))
        .order_by(DagRun.run_after.desc(), TaskInstance.task_id, TaskInstance.map_index)
        .limit(MAX_TRAININGS + 1)
    ).all()
    found = [(_plain(row), read(row.value)[0]) for row in rows[:MAX_TRAININGS]]
    return {**compare(found, metric), "more": len(rows) > MAX_TRAININGS}


def read(value: Any) -> tuple[dict[str, Any] | None, str | None]:
    """Decode a record; or say why it cannot be."""
    if value is None:
        return None, None
    record, is_json = _decoded(value)
    if not isinstance(record, dict) or "version" not in record:
        where = "" if is_json else " (a custom XCom backend keeps it elsewhere)"
        return None, f"The record of this training is not in Airflow's database{where}."
    if record["version"] != RECORD_VERSION:
        return None, (
            f"The record of this training has version {record['version']}; this page reads version {RECORD_VERSION}. "
            "Airflow's API server and its workers have different versions of airflow-kubeflow-trainer."
        )
    return record, None


def _xcoms(session: Session, key: tuple[str, str, str, int]) -> dict[str, Any]:
    found = session.execute(
        select(XComModel.key, XComModel.value).where(
            *_which(XComModel, key), XComModel.key.in_((XCOM_KEY, TRAINJOB_KEY))
        )
    )
    return {row.key: row.value for row in found}


def _tasks(*conditions: ColumnElement[bool]) -> Any:
    fields = [getattr(TaskInstance, name) for name in _TASK_FIELDS]
    return (
        select(
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance._rendered_map_index.label("map_label"),
            DagRun.run_after,
            *fields,
        )
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .where(*conditions)
    )


def _which(model: Any, key: tuple[str, str, str, int]) -> list[ColumnElement[bool]]:
    names = ("dag_id", "run_id", "task_id", "map_index")
    return [getattr(model, name) == value for name, value in zip(names, key, strict=True)]


def _plain(row: Any) -> dict[str, Any]:
    """Make a row plain data, with moments in seconds since the epoch."""
    fields = {name: value for name, value in row._mapping.items() if name != "value"}
    return {name: value.timestamp() if hasattr(value, "timestamp") else value for name, value in fields.items()}


def _decoded(value: Any) -> tuple[Any, bool]:
    """Decode what the XCom table holds: JSON text, its data, or (what Airflow 3.1's REST API writes) text of text."""
    for _ in range(2):
        if not isinstance(value, str):
            break
        try:
            value = json.loads(value)
        except ValueError:
            return value, False
    return value, True


def _is_trainjob(value: Any) -> bool:
    return isinstance(value, dict) and {"name", "namespace", "uid"} <= value.keys()


def manifest_of(fields: Mapping[str, Any]) -> str | None:
    """Put together what the operator has cut into rendered fields: ``manifest.spec.trainer``, ``... (2)``."""
    parts: dict[str, str] = {}
    for title in sorted(fields, key=_part_order):
        if title.startswith("manifest."):
            name = title.removeprefix("manifest.").partition(" (")[0]
            parts[name] = parts.get(name, "") + str(fields[title])
    if not parts:
        return None
    lines = ["apiVersion: trainer.kubeflow.org/v1alpha1", "kind: TrainJob"]
    if "metadata" in parts:
        lines += ["metadata:", *_indented(parts.pop("metadata"), 2)]
    lines += ["spec:"]
    for name, text in parts.items():
        lines += _section(name.removeprefix("spec."), text)
    return "\n".join(lines) + "\n"


def _section(name: str, text: str) -> list[str]:
    plain = text.strip().removesuffix("...").strip()
    if "\n" not in plain and ":" not in plain and not plain.startswith("-"):
        return [f"  {name}: {plain}"]
    return [f"  {name}:", *_indented(text, 4)]


def _indented(text: str, width: int) -> Iterable[str]:
    return (" " * width + line if line else line for line in text.splitlines())


def _part_order(title: str) -> tuple[str, int]:
    name, _, number = title.partition(" (")
    return name, int(number.removesuffix(")")) if number.removesuffix(")").isdigit() else 1
