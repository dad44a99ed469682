"""TrainJobs that nobody waits for any more are found by a database of Airflow's, and ended when that is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from tests.local.cli.conftest import Run, TrainJobs

# A database in which the tasks stand as they are given on standard input, and then the commands.
PROGRAM = """
import contextlib, io, json, sys
from airflow import settings
from airflow.models import DagRun, TaskInstance, import_all_models
from airflow.models.base import Base
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.timezone import utcnow
from sqlalchemy import insert

from airflow_kubeflow_trainer.cli.main import main

given = json.load(sys.stdin)
import_all_models()
Base.metadata.create_all(settings.engine)
with create_session() as session:
    for number, task in enumerate(given["tasks"], start=1):
        key = {name: task[name] for name in ("dag_id", "run_id")}
        run = {**key, "id": number, "run_type": "manual", "run_after": utcnow(), "state": "running"}
        session.execute(insert(DagRun.__table__).values(**run))
        key |= {name: task[name] for name in ("task_id", "map_index")}
        state = {"state": task["state"], "pool": "default_pool", "pool_slots": 1, "try_number": 1}
        session.execute(insert(TaskInstance.__table__).values(**key, **state, start_date=utcnow()))
        announced = {"name": "x", "namespace": "default", "uid": task["uid"]}
        row = {**key, "dag_run_id": number, "key": "trainjob", "value": announced, "timestamp": utcnow()}
        session.execute(insert(XComModel.__table__).values(**row))
said = []
for arguments in given["commands"]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(arguments)
    said.append([code, out.getvalue()])
print(json.dumps(said))
"""


def airflow(home: Path, tasks: list[dict[str, Any]], *commands: list[str]) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps({"tasks": tasks, "commands": commands}),
        env={**os.environ, "AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def task(trainjobs: TrainJobs, task_id: str, state: str | None) -> tuple[str, dict[str, Any]]:
    """A task with its TrainJob; without a state, one that Airflow does not know."""
    identity = TaskIdentity(dag_id="d", run_id=f"r-{task_id}", task_id=task_id, map_index=-1, try_number=1)
    name = trainjobs.create("exec sleep 600", annotations=identity.annotations(), labels=identity.labels())
    found = trainjobs.ask(lambda api: api.get(name))
    key = {"dag_id": "d", "run_id": identity.run_id, "task_id": task_id, "map_index": -1}
    return name, {**key, "state": state, "uid": found["metadata"]["uid"]}


def test_what_nobody_waits_for_is_listed_and_with_yes_ended(run: Run, trainjobs: TrainJobs, tmp_path: Path) -> None:
    over, failed = task(trainjobs, "over", "failed")
    cleared, another = task(trainjobs, "cleared", "deferred")
    waited_for, going_on = task(trainjobs, "waited-for", "deferred")
    unknown, _ = task(trainjobs, "unknown", None)
    clean = ["cleanup", "--output", "json", "--older-than", "0"]

    looked, young, ended, nothing = airflow(
        tmp_path,
        # The one that was cleared waits for another TrainJob now.
        [failed, {**another, "uid": "of-the-next-try"}, going_on],
        clean,
        ["cleanup", "--output", "json"],
        [*clean, "--yes"],
        ["cleanup", "--older-than", "0"],
    )

    assert looked[0] == 0
    mine = {row["name"]: row for row in json.loads(looked[1]) if row["name"] in (over, cleared, waited_for, unknown)}
    assert {name: row["done"] for name, row in mine.items()} == {over: "", cleared: ""}
    assert "over" in mine[over]["why"]
    assert json.loads(young[1]) == []
    assert {row["name"]: row["done"] for row in json.loads(ended[1])} == {over: "was deleted", cleared: "was deleted"}
    assert nothing == [0, ""]
    left = {row["name"] for row in run("ps", "-l", f"test={trainjobs.label}", "-o", "json").json}
    assert left == {waited_for, unknown}


def test_a_database_that_is_none_is_told(run: Run, trainjobs: TrainJobs, tmp_path: Path) -> None:
    name, _ = task(trainjobs, "t", "failed")
    command = [sys.executable, "-m", "airflow_kubeflow_trainer", "cleanup", "--older-than", "0", "--yes"]

    done = subprocess.run(
        command, env={**os.environ, "AIRFLOW_HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "Airflow's database cannot be asked how tasks stand" in done.stderr
    assert name in run("ps").out
