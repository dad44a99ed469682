"""Commands about a task of a DAG: render, validate."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.local.cli.conftest import Run, TrainJobs

DAGS = """
print("whatever a DAG file prints")

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, task

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import PersistentVolumeOutput, TorchTuneConfig, TorchTuneInstructDataset

STOCK = {
    "runtime": "torchtune-llama3.2-1b",
    "output": PersistentVolumeOutput("models"),
    "kubernetes_conn_id": "the_tasks_own",
}

CONFIG = {
    "resources_per_node": {"gpu": 1},
    "dataset_preprocess_config": TorchTuneInstructDataset(source="json"),
}

with DAG("cli", schedule=None, params={"epochs": 2}):
    BuiltinTrainerOperator(
        task_id="templated",
        config=TorchTuneConfig(epochs="{{ params.epochs }}", **CONFIG),
        labels={"day": "{{ ds }}", "run": "{{ run_id }}"},
        **STOCK,
    )
    BuiltinTrainerOperator.partial(task_id="mapped", **STOCK).expand(
        config=[TorchTuneConfig(epochs=n, **CONFIG) for n in (5, 6)]
    )

    @task
    def best():
        return 3e-4

    BuiltinTrainerOperator(
        task_id="later", config=TorchTuneConfig(learning_rate=best(), **CONFIG), **STOCK
    )
    elsewhere = {**STOCK, "runtime_kind": "TrainingRuntime"}
    BuiltinTrainerOperator(task_id="unknown", config=TorchTuneConfig(**CONFIG), **elsewhere)
    EmptyOperator(task_id="other")

    @task.kubeflow_trainer(runtime="torch-distributed", num_nodes=3, kubernetes_conn_id="the_tasks_own")
    def train(epochs, rate=1e-3):
        return epochs * rate

    train("{{ params.epochs }}")
"""

KIND = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob"}


@pytest.fixture
def dag_file(tmp_path: Path) -> str:
    file = tmp_path / "dags.py"
    file.write_text(DAGS)
    return str(file)


@pytest.fixture
def render(run: Run, dag_file: str) -> Run:
    return lambda task_id, *more: run("render", "cli", task_id, "--dag-file", dag_file, *more)


@pytest.fixture
def validate(run: Run, dag_file: str) -> Run:
    return lambda task_id, *more: run("validate", "cli", task_id, "--dag-file", dag_file, *more)


@pytest.fixture(autouse=True)
def the_tasks_own_cluster(local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"kube_config_path": str(local_cluster.kubeconfig)}
    monkeypatch.setenv("AIRFLOW_CONN_THE_TASKS_OWN", json.dumps({"conn_type": "kubernetes", "extra": extra}))


def arguments(manifest: dict[str, Any]) -> list[str]:
    found: list[str] = manifest["spec"]["trainer"]["args"]
    return found


def test_a_task_is_rendered_as_in_a_run_and_nothing_else_is_printed(render: Run) -> None:
    answer = render("templated", "--logical-date", "2026-01-31", "--conf", '{"epochs": 7}')

    manifest = yaml.safe_load(answer.out)
    assert answer.code == 0
    assert manifest["kind"] == "TrainJob"
    assert "epochs=7" in arguments(manifest)
    assert manifest["metadata"]["labels"]["day"] == "2026-01-31"
    assert manifest["metadata"]["labels"]["run"] == "dry_run"
    assert "whatever a DAG file prints" in answer.err


def test_what_is_rendered_twice_is_the_same(render: Run) -> None:
    date = ("--logical-date", "2026-01-31")

    assert render("templated", *date).out == render("templated", *date).out
    assert render("templated", *date, "-o", "json").json == yaml.safe_load(render("templated", *date).out)


def test_a_function_is_rendered_with_its_source_and_the_arguments_of_the_run(render: Run, validate: Run) -> None:
    manifest = yaml.safe_load(render("train", "--conf", '{"epochs": 7}').out)

    program = "\n".join((*manifest["spec"]["trainer"]["command"], *manifest["spec"]["trainer"].get("args", [])))
    assert manifest["spec"]["trainer"]["numNodes"] == 3
    assert "return epochs * rate" in program
    assert validate("train").code == 0


def test_each_of_a_mapped_task_can_be_rendered(render: Run) -> None:
    first, second = (yaml.safe_load(render("mapped", *more).out) for more in ((), ("--map-index", "1")))

    assert "epochs=5" in arguments(first)
    assert "epochs=6" in arguments(second)
    assert first["metadata"]["name"] != second["metadata"]["name"]


@pytest.mark.parametrize(
    ("task_id", "more", "code", "words"),
    [
        pytest.param("nothing", [], 4, "there is no task 'nothing' in DAG cli; there are: best, later, ", id="no task"),
        pytest.param("other", [], 2, "task 'other' makes no TrainJob: it is a EmptyOperator", id="not ours"),
        pytest.param("later", [], 2, "it takes the XCom of task 'best', which only a run of the DAG has", id="an XCom"),
        pytest.param("mapped", ["--map-index", "2"], 2, "is mapped to 2, so there is no 2", id="no such map index"),
        pytest.param("templated", ["--map-index", "1"], 2, "task 'templated' is not mapped", id="not mapped"),
        pytest.param("templated", ["--conf", "epochs"], 2, "--conf is not JSON", id="no JSON"),
        pytest.param(
            "templated", ["--conf", '{"epochs": "x"}'], 2, "config.epochs: must be an integer", id="a wrong field"
        ),
        pytest.param("templated", ["--logical-date", "soon"], 2, "'soon' is no date", id="no date"),
    ],
)
def test_what_cannot_be_rendered_is_said(render: Run, task_id: str, more: list[str], code: int, words: str) -> None:
    answer = render(task_id, *more)

    assert (answer.code, answer.out) == (code, "")
    assert words in answer.err.splitlines()[-1]


def test_a_dag_that_is_not_there_and_a_file_that_is_broken_are_told(run: Run, dag_file: str, tmp_path: Path) -> None:
    unknown = run("render", "nothing", "t", "--dag-file", dag_file)
    (tmp_path / "broken.py").write_text("from airflow.sdk import DAG\nimport no_such_module\n")
    broken = run("render", "cli", "t", "--dag-file", str(tmp_path / "broken.py"))

    assert unknown.code == 4
    assert unknown.err.endswith("there are: cli\n")
    assert broken.code == 2
    assert "No module named 'no_such_module'" in broken.err


def test_a_task_that_the_cluster_would_take_is_valid_and_nothing_is_created(validate: Run, run: Run) -> None:
    before = run("ps", "--all", "-o", "json").out

    answer = validate("templated")

    assert answer.code == 0
    assert answer.out.startswith("TrainJob default/cli-templated-")
    assert answer.out.endswith(" would be admitted\n")
    assert run("ps", "--all", "-o", "json").out == before


def test_what_the_cluster_refuses_is_said_in_its_words(validate: Run) -> None:
    answer = validate("unknown", "-o", "json")

    assert answer.code == 1
    assert answer.json["admitted"] is False
    assert "runtime: there is no TrainingRuntime 'torchtune-llama3.2-1b'. There are: " in answer.json["message"]


def test_a_task_is_asked_for_on_its_own_cluster_or_on_one_that_is_named(
    validate: Run, local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    assert validate("templated").code == 0

    monkeypatch.delenv("AIRFLOW_CONN_THE_TASKS_OWN")
    assert validate("templated").code == 2
    assert validate("templated", "--kubeconfig", str(local_cluster.kubeconfig)).code == 0


def test_what_was_rendered_can_be_validated_from_a_pipe(run: Run, render: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = render("templated").out
    monkeypatch.setattr("sys.stdin", io.StringIO(manifest))
    assert run("validate", "--manifest", "-").code == 0

    monkeypatch.setattr("sys.stdin", io.StringIO(manifest.replace("numNodes", "numNoodles").replace("args:", "arks:")))
    refused = run("validate", "--manifest", "-")

    assert refused.code == 1
    assert 'unknown field "spec.trainer.arks"' in refused.out


def test_a_name_that_is_taken_is_refused(run: Run, trainjobs: TrainJobs, tmp_path: Path) -> None:
    name = trainjobs.create("exec sleep 60")
    file = tmp_path / "trainjob.yaml"
    spec = {"runtimeRef": {"name": "torch-distributed"}}
    file.write_text(yaml.safe_dump({**KIND, "metadata": {"name": name}, "spec": spec}))

    answer = run("validate", "--manifest", str(file))

    assert answer.code == 1
    assert f'"{name}" already exists' in answer.out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param([], "name a DAG and a task, or --manifest FILE", id="nothing"),
        pytest.param(["cli"], "name a DAG and a task", id="no task"),
        pytest.param(["cli", "t", "--manifest", "x"], "name a DAG and a task, or", id="both"),
        pytest.param(["--manifest", "/no/such"], "/no/such cannot be read", id="no file"),
        pytest.param(["--manifest", __file__], "cannot be read|holds no TrainJob", id="no manifest"),
    ],
)
def test_validate_says_what_it_wants(run: Run, more: list[str], words: str) -> None:
    answer = run("validate", *more)

    assert answer.code == 2
    assert re.search(words, answer.err)
