"""A real Airflow with the DAGs of the examples and of the tests, for whatever cluster."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from demo.airflow_stack import AirflowStack
from tests.tinymodel import llama

ROOT = Path(__file__).parents[2]
EVERY_DAG = (ROOT / "dags", Path(__file__).parent / "dags")


def airflow_stack(
    home: Path, *, connections: Mapping[str, Mapping[str, Any]], dags: Iterable[Path] = EVERY_DAG
) -> AirflowStack:
    """Return an Airflow that is to be started, with one Kubernetes connection for each name and its extra fields.

    :param dags: folders of its DAGs. Default: the examples, and those of the tests beside this file.

    AIRFLOW_PYTHON names the Python of another environment, in which another Airflow is installed.
    """
    env = {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps({"conn_type": "kubernetes", "extra": dict(extra)})
        for name, extra in connections.items()
    }
    env |= {
        "PYTHONPATH": str(ROOT),
        # A triggerer that died is noticed soon.
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    }
    python = os.environ.get("AIRFLOW_PYTHON", sys.executable)
    return AirflowStack(home=home, dags=_dag_folder(home / "dags", dags), env=env, python=python)


def tiny_parameters(folder: Path, *, claim: str) -> dict[str, Any]:
    """Make the model of three million weights and its lessons; return the parameters of a run that trains it."""
    return {
        "model": llama.write_model(folder / "model").as_uri(),
        "dataset": llama.write_rows(folder / "dataset").as_uri(),
        "overrides": llama.OVERRIDES,
        "claim": claim,
    }


def _dag_folder(folder: Path, sources: Iterable[Path]) -> Path:
    """One folder with the DAGs of several."""
    folder.mkdir(parents=True)
    for file in (file for source in sources for file in source.glob("*.py")):
        (folder / file.name).symlink_to(file)
    return folder
