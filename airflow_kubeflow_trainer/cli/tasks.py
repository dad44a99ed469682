"""A task of a DAG as it would be in a run: found, parsed and rendered, without Airflow's database."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_kubeflow_trainer.exceptions import ConfigError, NotFoundError

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_kubeflow_trainer.operators.base import TrainJobOperator
    from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity


def rendered_task(options: argparse.Namespace) -> tuple[TrainJobOperator, TaskIdentity]:
    """Find the task that the options name, and render it for the first try of a run.

    :raises NotFoundError: there is no such DAG or task.
    :raises ConfigError: it makes no TrainJob, or only a run can render it.
    """
    conf, date = _conf(options.conf), _date(options.logical_date)
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    # What is written here is the answer alone; DAG files print, and Airflow logs.
    with contextlib.redirect_stdout(sys.stderr):
        from airflow_kubeflow_trainer.operators.base import TrainJobOperator
        from airflow_kubeflow_trainer.operators.tries import identity_of

        dag = _dag(options.dag_id, options.dag_file)
        if not dag.has_task(options.task_id):
            raise _not_found("task", options.task_id, f"in DAG {dag.dag_id}", list(dag.task_ids))
        task = dag.get_task(options.task_id)
        _check_map_index(task, options.map_index)
        map_index = (options.map_index or 0) if task.is_mapped else -1
        context = _context(task, run_id=options.run_id, date=date, conf=conf, map_index=map_index)
        context["task"].render_template_fields(context)
        operator = context["task"]
        if not isinstance(operator, TrainJobOperator):
            raise ConfigError(f"task {options.task_id!r} makes no TrainJob: it is a {task.task_type}")
        # Without an id of Airflow's, the same each time.
        return operator, replace(identity_of(context), ti_id="")


def _check_map_index(task: Any, map_index: int | None) -> None:
    if map_index is not None and not task.is_mapped:
        raise ConfigError(f"--map-index: task {task.task_id!r} is not mapped")
    count = _count(task) if task.is_mapped else None
    if count is not None and not 0 <= (map_index or 0) < count:
        raise ConfigError(f"--map-index: task {task.task_id!r} is mapped to {count}, so there is no {map_index or 0}")


def _count(task: Any) -> int | None:
    """Say how many a mapped task expands to; None where only a run tells."""
    mapped = task._get_specified_expand_input().value
    each = list(mapped.values()) if isinstance(mapped, dict) else [mapped]
    return math.prod(map(len, each)) if all(isinstance(values, list | tuple | dict) for values in each) else None


def _dag(dag_id: str, dag_file: str | None) -> DAG:
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]

    if dag_file is not None and not Path(dag_file).is_file():
        raise ConfigError(f"--dag-file: there is no file {dag_file}")
    folders: list[Any] = [dag_file]
    if dag_file is None:
        bundles = list(DagBundlesManager().get_all_dag_bundles())  # type: ignore[no-untyped-call]
        for bundle in bundles:
            bundle.initialize()
        folders = [bundle.path for bundle in bundles]
    known: list[str] = []
    broken: dict[str, str] = {}
    for folder in folders:
        # Whoever names a file means it, whatever stands in it.
        bag = DagBag(folder, safe_mode=False) if dag_file is not None else DagBag(folder)
        if dag_id in bag.dags:
            found: DAG = bag.dags[dag_id]
            return found
        known += bag.dags
        broken |= bag.import_errors
    if broken:
        errors = "\n".join(f"{file}: {text.rstrip()}" for file, text in broken.items())
        raise ConfigError(f"there is no DAG {dag_id!r}, and not every file can be imported:\n{errors}")
    raise _not_found("DAG", dag_id, f"in {dag_file or 'the DAG bundles'}", known)


def _not_found(kind: str, name: str, where: str, known: list[str]) -> NotFoundError:
    there_are = ", ".join(sorted(known)) or "none"
    message = f"there is no {kind} {name!r} {where}; there are: {there_are}"
    return NotFoundError(404, "NotFound", message, {"name": name})


def _context(task: Any, *, run_id: str, date: datetime, conf: dict[str, Any], map_index: int) -> Any:
    """Make the context of a task instance, as Airflow's task runner does of what its API server tells."""
    from airflow.sdk.api.datamodels._generated import DagRun, DagRunState, DagRunType, TIRunContext
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    class Rehearsal(RuntimeTaskInstance):
        """A task instance of a run that there is not."""

        def xcom_pull(self, task_ids: Any = None, *_: Any, **__: Any) -> Any:
            of_task = f" of task {task_ids!r}" if task_ids else ""
            raise ConfigError(f"it takes the XCom{of_task}, which only a run of the DAG has")

    run: dict[str, Any] = {
        "dag_id": task.dag_id,
        "run_id": run_id,
        "run_type": DagRunType.MANUAL,
        "state": DagRunState.RUNNING,
        "conf": conf,
        "consumed_asset_events": [],
        "partition_key": None,
        **dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end", "run_after", "start_date"), date),
        "end_date": None,
    }
    instance: dict[str, Any] = {
        "id": uuid4(),
        "dag_id": task.dag_id,
        "task_id": task.task_id,
        "run_id": run_id,
        "try_number": 1,
        "map_index": map_index,
        "max_tries": 0,
        "task": task if task.is_mapped else task.prepare_for_execution(),
        "start_date": date,
        # Unchecked, since Airflow's versions ask for more or less.
        "_ti_context_from_server": TIRunContext.model_construct(dag_run=DagRun.model_construct(**run), max_tries=0),
    }
    return Rehearsal.model_construct(**instance).get_template_context()


def _conf(text: str | None) -> dict[str, Any]:
    try:
        conf = json.loads(text or "{}")
    except ValueError as error:
        raise ConfigError(f"--conf is not JSON: {error}") from error
    if not isinstance(conf, dict):
        raise ConfigError('--conf must be a JSON object, such as {"epochs": 2}')
    return conf


def _date(text: str | None) -> datetime:
    try:
        date = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError as error:
        raise ConfigError(f"--logical-date: {text!r} is no date in ISO 8601, such as 2026-01-31T12:00") from error
    return date if date.tzinfo else date.replace(tzinfo=UTC)
