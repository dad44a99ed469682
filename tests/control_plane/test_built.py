"""Whatever the operators build, the real Trainer admits."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
from tests.control_plane.plane import ControlPlane
from tests.unit.samples import SAMPLES, written


@pytest.mark.filterwarnings("ignore:output is not set:UserWarning")
@pytest.mark.filterwarnings("ignore:config.dataset_preprocess_config:UserWarning")
@pytest.mark.parametrize("sample", SAMPLES)
async def test_every_field_of_every_config_class_is_admitted(plane: ControlPlane, sample: str) -> None:
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
