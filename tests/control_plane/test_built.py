"""Whatever the operators build, the real Trainer admits, of each version that is supported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.cluster.submission import create_or_adopt
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import TrainJobRejectedError
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from tests.control_plane.plane import BUILT, ControlPlane
from tests.unit.samples import SAMPLES, written

pytestmark = [
    pytest.mark.filterwarnings("ignore:output is not set:UserWarning"),
    pytest.mark.filterwarnings("ignore:config.dataset_preprocess_config:UserWarning"),
]


@pytest.fixture(scope="module")
def trainer_2_2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the TrainJobs of Trainer 2.2: its schema and rules, without its webhooks."""
    crds = BUILT / "manifests" / "crds-2.2.1"
    with ControlPlane(tmp_path_factory.mktemp("trainer-2.2"), only_crds=crds) as plane:
        yield plane


@pytest.mark.parametrize("sample", SAMPLES)
async def test_every_field_of_every_config_class_is_admitted(plane: ControlPlane, sample: str) -> None:
    await admit(plane, built(sample))


@pytest.mark.parametrize("sample", SAMPLES)
async def test_trainer_2_2_knows_every_field_but_one(trainer_2_2: ControlPlane, sample: str) -> None:
    await admit(trainer_2_2, without(built(sample), "terminationGracePeriodSeconds"))


async def test_the_field_that_trainer_2_2_does_not_know_is_named_with_its_version(trainer_2_2: ControlPlane) -> None:
    identity = TaskIdentity(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1)

    async with trainer_2_2.client() as client:
        with pytest.raises(TrainJobRejectedError, match="terminationGracePeriodSeconds .* takes Kubeflow Trainer 2.3"):
            await create_or_adopt(TrainJobApi(client, namespace="default"), built("full fine-tuning"), identity)


def built(sample: str) -> dict[str, Any]:
    with DAG("d"):
        operator = BuiltinTrainerOperator(
            task_id="t", runtime="torchtune-llama3.2-1b", **written(SAMPLES[sample], "model")
        )
    return operator.manifest()


def without(value: Any, key: str) -> Any:
    """A copy without a key, wherever it stands."""
    if isinstance(value, dict):
        return {name: without(item, key) for name, item in value.items() if name != key}
    return [without(item, key) for item in value] if isinstance(value, list) else value


async def admit(plane: ControlPlane, manifest: dict[str, Any]) -> None:
    async with plane.client() as client:
        await TrainJobApi(client, namespace="default").create(manifest, dry_run=True)
