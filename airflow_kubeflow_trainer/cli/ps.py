"""``ps``: which TrainJobs there are, and where they are on their way."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_kubeflow_trainer.cli.cluster import ask
from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.cli.output import age, tell, write_json, write_table
from airflow_kubeflow_trainer.cli.trainers import trainer_jobs
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.trainjob.phase import phase_of

_COLUMNS = ("NAME", "PHASE", "NODES", "RUNTIME", "AGE", "TASK")


def run(options: argparse.Namespace) -> int:
    """List TrainJobs, the newest last."""
    rows = ask(options, lambda api: _rows(api, options.selector))
    shown = [row for row in rows if options.all or not row["ended"]]
    if options.output == "json":
        write_json(shown)
    elif shown:
        write_table(_COLUMNS, (_cells(row) for row in shown))
    else:
        left_out = f"; {len(rows)} have ended: see them with --all" if rows else ""
        tell(f"No TrainJobs{left_out}")
    return Exit.DONE


async def _rows(api: TrainJobApi, selector: str | None) -> list[dict[str, Any]]:
    trainjobs = await api.find(label_selector=selector)
    trainers = await trainer_jobs(api)
    rows = [_row(trainjob, trainers(trainjob)) for trainjob in trainjobs]
    return sorted(rows, key=lambda row: (row["created"], row["name"]))


def _row(trainjob: Mapping[str, Any], trainer_job: str) -> dict[str, Any]:
    metadata, spec = trainjob["metadata"], trainjob["spec"]
    report = phase_of(trainjob, trainer_job=trainer_job)
    identity = TaskIdentity.of(trainjob)
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
        "phase": report.phase.value,
        "reason": report.reason,
        "message": report.message,
        "ended": report.phase.final,
        "nodes": (spec.get("trainer") or {}).get("numNodes"),
        "runtime": spec["runtimeRef"]["name"],
        "created": metadata["creationTimestamp"],
        "task": None if identity is None else asdict(identity),
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    nodes = "" if row["nodes"] is None else str(row["nodes"])
    return row["name"], row["phase"], nodes, row["runtime"], age(row["created"]), _task(row["task"])


def _task(task: Mapping[str, Any] | None) -> str:
    if task is None:
        return ""
    index = f"[{task['map_index']}]" if task["map_index"] >= 0 else ""
    return f"{task['dag_id']}.{task['task_id']}{index} {task['run_id']} #{task['try_number']}"
