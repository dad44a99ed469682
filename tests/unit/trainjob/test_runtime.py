"""What we take of a runtime, held to the runtimes that Trainer ships."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import airflow_kubeflow_trainer
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView

SHIPPED = Path(airflow_kubeflow_trainer.__file__).parent / "local" / "runtimes"


@pytest.mark.parametrize(
    "name",
    [
        "torch-distributed",
        "jax-distributed",
        "xgboost-distributed",
        "torchtune-llama3.2-1b",
        "torchtune-llama3.2-3b",
        "torchtune-qwen2.5-1.5b",
    ],
)
def test_the_stock_runtimes_are_what_trainer_ships(name: str) -> None:
    shipped = RuntimeView.from_object(json.loads((SHIPPED / f"{name}.json").read_text()))

    # Whether its claims are retained is read, never assumed: a cluster's administrator may have mended that.
    assert RuntimeView.stock(name) == replace(shipped, claims_unretained=())
    assert bool(shipped.claims_unretained) is name.startswith("torchtune")


@pytest.mark.parametrize(
    ("name", "length"),
    [
        pytest.param("torchtune-llama3.2-1b", 33, id="a dataset-initializer has the longest pod name"),
        pytest.param("torch-distributed", 46, id="nodes alone leave more room"),
    ],
)
def test_the_room_for_a_name_depends_on_the_runtimes_jobs(name: str, length: int) -> None:
    view = RuntimeView.stock(name)

    assert view is not None
    assert view.max_name_length() == length


def test_a_runtime_that_keeps_its_claim_keeps_the_model() -> None:
    runtime = json.loads((SHIPPED / "torchtune-llama3.2-1b.json").read_text())
    for policy in runtime["spec"]["template"]["spec"]["volumeClaimPolicies"]:
        policy["retentionPolicy"] = {"whenDeleted": "Retain"}

    assert RuntimeView.from_object(runtime).output_dies_with_trainjob is False


def test_the_trainer_is_the_job_that_the_runtime_marks() -> None:
    runtime = json.loads((SHIPPED / "torch-distributed.json").read_text())
    # As in Trainer's deepspeed-distributed: `node` runs sshd, and another job trains.
    (node,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    launcher = json.loads(json.dumps(node)) | {"name": "launcher"}
    node["template"]["metadata"]["labels"] = {}
    runtime["spec"]["template"]["spec"]["replicatedJobs"] = [node, launcher]

    assert RuntimeView.from_object(runtime).trainer_job == "launcher"
