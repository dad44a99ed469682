"""Whatever the operators build, the real Trainer admits, of each version that is supported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator, CustomTrainerOperator
from airflow_kubeflow_trainer.cluster.submission import create_or_adopt
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import TrainJobRejectedError
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from tests.control_plane import manifests
from tests.control_plane.plane import ControlPlane
from tests.unit.samples import SAMPLES, written

pytestmark = [
    pytest.mark.filterwarnings("ignore:output is not set:UserWarning"),
    pytest.mark.filterwarnings("ignore:config.dataset_preprocess_config:UserWarning"),
]


COMMON: dict[str, Any] = {
    "name": "42. A name, with ümläuts & everything " * 5,
    "labels": {"team": "nlp", "example.com/empty": ""},
    "annotations": {"example.com/note": 'of "all" kinds\n' * 1000},
    "queue_name": "gpus",
    "output": {"claim_name": "models", "sub_path": "a/b"},
}
SETTINGS: dict[str, Any] = {
    "num_nodes": 2,
    "num_proc_per_node": 3,
    "resources_per_node": {"gpu": 1, "memory": "64Gi", "cpu": "1500m", "storage": "1Ti", "example.com/nic": 2},
    "env": {
        "TEXT": "a",
        "an odd name!": "",
        "SECRET": {"name": "s", "key": "k"},
        "POD": {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        "CPUS": {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        "CONFIG": {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}},
    },
}


def train(rate: float, *, rows: list[dict[str, Any]], **more: Any) -> dict[str, float]:
    """Train: "quotes", $VARIABLES, `ticks` and ümläuts."""
    return {"loss": rate * len(rows) * len(more)}


CUSTOM: dict[str, dict[str, Any]] = {
    "a function": {
        "func": train,
        "func_args": {"rate": 0.5, "rows": [{"a": None, "$(B)": "`c`"}], "more": b"bytes"},
        "packages_to_install": ["torchvision==0.22.*"],
        "pip_index_urls": ["https://pypi.org/simple"],
        **SETTINGS,
    },
    "a container": {"image": "a" * 500, "command": ["a"] * 128, "args": ["$(B)"] * 128, **SETTINGS},
    "as many variables as there may be": {"image": "a", "env": {f"A{i}": str(i) for i in range(127)}},
    "as many patches as there may be": {
        "image": "a",
        "runtime_patches": [{"manager": f"example.com/{i}"} for i in range(15)],
    },
}


@pytest.fixture(scope="module")
def trainer_2_2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the TrainJobs of Trainer 2.2: its schema and rules, without its webhooks."""
    crds = manifests.folder() / "crds-2.2.1"
    with ControlPlane(tmp_path_factory.mktemp("trainer-2.2"), only_crds=crds) as plane:
        yield plane


@pytest.mark.parametrize("more", [{}, COMMON], ids=["by itself", "with all common arguments"])
@pytest.mark.parametrize("sample", SAMPLES)
async def test_every_field_of_every_config_class_is_admitted(
    plane: ControlPlane, sample: str, more: dict[str, Any]
) -> None:
    await admit(plane, built(sample, **more))


@pytest.mark.parametrize("runtime", ["torch-distributed", "jax-distributed", "xgboost-distributed"])
@pytest.mark.parametrize("sample", CUSTOM)
async def test_every_argument_of_a_custom_training_is_admitted(plane: ControlPlane, sample: str, runtime: str) -> None:
    with DAG("d"):
        operator = CustomTrainerOperator(task_id="t", runtime=runtime, **CUSTOM[sample], **COMMON)

    await admit(plane, operator.manifest())


@pytest.mark.parametrize("sample", SAMPLES)
async def test_trainer_2_2_knows_every_field_but_one(trainer_2_2: ControlPlane, sample: str) -> None:
    await admit(trainer_2_2, without(built(sample), "terminationGracePeriodSeconds"))


async def test_the_field_that_trainer_2_2_does_not_know_is_named_with_its_version(trainer_2_2: ControlPlane) -> None:
    identity = TaskIdentity(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1)

    async with trainer_2_2.client() as client:
        with pytest.raises(TrainJobRejectedError, match="terminationGracePeriodSeconds .* takes Kubeflow Trainer 2.3"):
            await create_or_adopt(TrainJobApi(client, namespace="default"), built("full fine-tuning"), identity)


def built(sample: str, **more: Any) -> dict[str, Any]:
    arguments = {**written(SAMPLES[sample], "model"), **more}
    with DAG("d"):
        operator = BuiltinTrainerOperator(task_id="t", runtime="torchtune-llama3.2-1b", **arguments)
    return operator.manifest()


def without(value: Any, key: str) -> Any:
    """A copy without a key, wherever it stands."""
    if isinstance(value, dict):
        return {name: without(item, key) for name, item in value.items() if name != key}
    return [without(item, key) for item in value] if isinstance(value, list) else value


async def admit(plane: ControlPlane, manifest: dict[str, Any]) -> None:
    async with plane.client() as client:
        await TrainJobApi(client, namespace="default").create(manifest, dry_run=True)
