"""Parsing a DAG costs what airflow.sdk costs: sys.modules of a fresh interpreter tells.

airflow.sdk reads the `get_provider_info` of all providers, the cncf one's too: what it loads by itself does not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("airflow.providers.cncf", "kubeflow_trainer_api", "kubernetes", "kubernetes_asyncio", "torch", "torchtune")
WHAT_DAG_FILES_IMPORT = [
    pytest.param("import airflow_kubeflow_trainer", id="the package"),
    pytest.param("from airflow_kubeflow_trainer import BuiltinTrainerOperator", id="the operator"),
    pytest.param("from airflow_kubeflow_trainer import KubeflowTrainerHook", id="the hook"),
    pytest.param(
        "from airflow_kubeflow_trainer import TrainJobSensor; TrainJobSensor(task_id='t', label_selector='a=b')",
        id="the sensor",
    ),
    pytest.param(
        "from airflow_kubeflow_trainer import TrainJobEventTrigger; TrainJobEventTrigger(label_selector='a=b')",
        id="the event trigger",
    ),
    pytest.param("from airflow_kubeflow_trainer.config import LoraConfig, TorchTuneConfig", id="the configuration"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="module")
def airflows_own(home: Path) -> set[str]:
    return loaded("import airflow.sdk", *HEAVY, home=home)


@pytest.mark.parametrize("statement", WHAT_DAG_FILES_IMPORT)
def test_what_a_dag_file_imports_loads_no_client_of_kubernetes_and_no_torch(
    statement: str, home: Path, airflows_own: set[str]
) -> None:
    assert sorted(loaded(statement, *HEAVY, home=home) - airflows_own) == []


def test_an_operator_that_is_made_loads_no_client_of_kubernetes_and_no_torch(
    home: Path, airflows_own: set[str]
) -> None:
    program = """
from airflow.sdk import DAG
from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import LoraConfig, PersistentVolumeOutput, TorchTuneConfig
with DAG("finetune"):
    BuiltinTrainerOperator(
        task_id="llama",
        runtime="torchtune-llama3.2-1b",
        config=TorchTuneConfig(epochs=1, peft_config=LoraConfig(lora_rank=8), resources_per_node={"gpu": 1}),
        output=PersistentVolumeOutput("models"),
    )
"""
    assert sorted(loaded(program, *HEAVY, home=home) - airflows_own) == []


def test_the_bare_package_loads_neither_airflow_nor_pydantic(home: Path) -> None:
    assert loaded("import airflow_kubeflow_trainer", "airflow", "pydantic", home=home) == set()


def test_what_every_airflow_process_reads_of_the_provider_loads_nothing_but_itself(home: Path) -> None:
    statement = "from airflow_kubeflow_trainer.provider_info import get_provider_info"

    assert loaded(statement, "airflow_kubeflow_trainer", "airflow", "pydantic", home=home) == {
        "airflow_kubeflow_trainer",
        "airflow_kubeflow_trainer.provider_info",
    }


def loaded(program: str, *packages: str, home: Path) -> set[str]:
    """Which modules of these packages a fresh interpreter holds after the program."""
    script = f"{program}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        # AIRFLOW_PYTHON: see tests/airflow/stack.py.
        [os.environ.get("AIRFLOW_PYTHON", sys.executable), "-c", script],
        env={**os.environ, "AIRFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = json.loads(done.stdout.splitlines()[-1])
    return {name for name in modules if any(name == package or name.startswith(f"{package}.") for package in packages)}
