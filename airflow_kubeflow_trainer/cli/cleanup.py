"""``cleanup``: end the TrainJobs that nobody waits for any more. Airflow's database says how their tasks stand."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import asdict
from typing import Any

from airflow_kubeflow_trainer.cli.cluster import ask
from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.cli.output import tell, write_json, write_table
from airflow_kubeflow_trainer.cluster import leftovers
from airflow_kubeflow_trainer.cluster.leftovers import Leftover, Standing
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity

_COLUMNS = ("KIND", "NAME", "DONE", "WHY")


def run(options: argparse.Namespace) -> int:
    """Say what is left over, and with ``--yes`` end it."""
    if options.older_than < 0:
        raise ConfigError("--older-than: must be 0 or more seconds")
    # As Airflow's own commands: the database is asked directly.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    rows = ask(options, lambda api: _clean(api, options))
    if options.output == "json":
        write_json(rows)
    elif rows:
        write_table(_COLUMNS, ((row["kind"], row["name"], row["done"], row["why"]) for row in rows))
    else:
        tell("Nothing is left over")
    if rows and not options.yes:
        tell("Nothing was done: --yes ends them")
    return Exit.DONE


async def _clean(api: TrainJobApi, options: argparse.Namespace) -> list[dict[str, Any]]:
    tidied = await leftovers.tidy(
        api,
        _ask_airflow,
        age_seconds=float(options.older_than),
        unknown_too=options.unknown_too,
        claims=options.claims,
        touch=options.yes,
    )
    return [_row(leftover, done) for leftover, done in tidied]


def _row(leftover: Leftover, done: str) -> dict[str, Any]:
    row = asdict(leftover)
    return {"kind": row["kind"], "name": row["name"], "uid": row["uid"], "why": row["why"], "done": done}


async def _ask_airflow(identity: TaskIdentity, uid: str) -> Standing:
    return await asyncio.to_thread(_standing, identity, uid)


def _standing(identity: TaskIdentity, uid: str) -> Standing:
    from airflow.utils.session import create_session
    from sqlalchemy.exc import SQLAlchemyError

    from airflow_kubeflow_trainer.triggers.task_state import judge
    from airflow_kubeflow_trainer.ui import records

    try:
        with create_session() as session:
            found = records.of_task_instance(
                session, identity.dag_id, identity.run_id, identity.task_id, identity.map_index
            )
    except SQLAlchemyError as error:
        words = str(error).splitlines()[0]
        raise ConfigError(f"Airflow's database cannot be asked how tasks stand: {words}") from error
    if found is None:
        return Standing.UNKNOWN
    return judge(found["task"]["state"], announced=(found["trainjob"] or {}).get("uid"), uid=uid)
