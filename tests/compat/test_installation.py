"""The other Airflow, whose Python AIRFLOW_PYTHON names: it is the version that is meant, and the package fits it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PYTHON = os.environ["AIRFLOW_PYTHON"]
VERSION = os.environ["AIRFLOW_VERSION"]
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "airflow"


def test_it_is_the_version_that_is_meant(home: Path) -> None:
    assert output(["-m", "airflow", "version"], home=home).startswith(f"{VERSION}.")


def test_all_that_the_package_depends_on_is_there_in_a_version_that_fits(home: Path) -> None:
    program = """
from importlib.metadata import requires, version
from packaging.requirements import Requirement
for text in requires("airflow-kubeflow-trainer"):
    requirement = Requirement(text)
    if requirement.marker is None:
        assert version(requirement.name) in requirement.specifier, text
"""
    output(["-c", program], home=home)


def test_airflow_knows_the_provider_and_leaves_kubernetes_connections_to_cncf(home: Path) -> None:
    program = """
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
print("airflow-kubeflow-trainer" in manager.providers, manager.hooks["kubernetes"].package_name)
"""
    said = output(["-c", program], home=home)

    assert said.splitlines()[-1] == "True apache-airflow-providers-cncf-kubernetes"


@pytest.mark.skipif(VERSION == "3.1", reason="its command line takes no commands of providers")
def test_our_commands_are_in_its_command_line(home: Path) -> None:
    said = output(["-m", "airflow", "kubeflow-trainer", "--help"], home=home)

    assert "validate" in said


def test_a_task_is_rendered(home: Path) -> None:
    arguments = ["render", "finetune_llm", "finetune", "--dag-file", str(ROOT / "dags" / "finetune_llm.py")]

    said = output(["-m", "airflow_kubeflow_trainer", *arguments], home=home)

    assert said.startswith("apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\n")


def output(arguments: list[str], *, home: Path) -> str:
    """What the other Airflow's Python prints; fails with all it said if it fails."""
    done = subprocess.run(
        [PYTHON, *arguments],
        env={**os.environ, "AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
