"""Whatever the operators build, the real Trainer admits, of each version that is supported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
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
    await admit(plane, sample)


@pytest.mark.parametrize("sample", SAMPLES)
async def test_trainer_2_2_knows_every_field_too(trainer_2_2: ControlPlane, sample: str) -> None:
    await admit(trainer_2_2, sample)


async def admit(plane: ControlPlane, sample: str) -> None:
    with DAG("d"):
        operator = BuiltinTrainerOperator(
            task_id="t", runtime="torchtune-llama3.2-1b", **written(SAMPLES[sample], "model")
        )

    async with plane.client() as client:
        await client.create(
            TRAINJOBS.path(namespace="default"),
            operator.manifest(),
            params={"dryRun": "All", "fieldValidation": "Strict"},
        )
