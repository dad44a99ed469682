"""DAGs of the tests: each trains the model of tests/tinymodel, whose parameters come with the run."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import (
    DatasetInitializer,
    Initializer,
    ModelInitializer,
    PersistentVolumeOutput,
    TorchTuneConfig,
    TorchTuneInstructDataset,
)

RUNTIME = "torchtune-llama3.2-1b"
DAG_OPTIONS: dict[str, Any] = {
    "schedule": None,
    "render_template_as_native_obj": True,
    "params": {"model": "", "dataset": "", "overrides": {}, "claim": "models"},
}
# Config of a task, without what differs from one to the next.
CONFIG: dict[str, Any] = {
    "epochs": 1,
    "max_steps_per_epoch": 4,
    "batch_size": 4,
    "optimizer": "torch.optim.AdamW",
    "learning_rate": 1e-3,
    "seed": 0,
    "device": "cpu",
    "dtype": "fp32",
    "num_proc_per_node": 1,
    "resources_per_node": {"cpu": 1},
    "dataset_preprocess_config": TorchTuneInstructDataset(source="json"),
    "overrides": "{{ params.overrides }}",
}
COMMON: dict[str, Any] = {
    "runtime": RUNTIME,
    "initializer": Initializer(
        dataset=DatasetInitializer(storage_uri="{{ params.dataset }}"),
        model=ModelInitializer(storage_uri="{{ params.model }}"),
    ),
    "output": PersistentVolumeOutput("{{ params.claim }}"),
}

with DAG("tiny_train", **DAG_OPTIONS):
    BuiltinTrainerOperator(task_id="train", config=TorchTuneConfig(**CONFIG), **COMMON)

with DAG("tiny_long", **DAG_OPTIONS):
    BuiltinTrainerOperator(
        task_id="train", config=TorchTuneConfig(**CONFIG | {"epochs": 1000, "max_steps_per_epoch": None}), **COMMON
    )

with DAG("tiny_failing", **DAG_OPTIONS):
    # The tests make this runtime, in which nothing is tried again.
    BuiltinTrainerOperator(task_id="train", runtime_kind="TrainingRuntime", config=TorchTuneConfig(**CONFIG), **COMMON)

with DAG("tiny_mapped", **DAG_OPTIONS):
    BuiltinTrainerOperator.partial(task_id="train", **COMMON).expand(
        config=[TorchTuneConfig(**CONFIG | {"seed": seed, "max_steps_per_epoch": 2}) for seed in (1, 2)]
    )

with DAG("tiny_pair", **DAG_OPTIONS) as pair:
    short = TorchTuneConfig(**CONFIG | {"max_steps_per_epoch": 1})
    first = BuiltinTrainerOperator(task_id="first", config=short, **COMMON)
    second = BuiltinTrainerOperator(task_id="second", config=short, **COMMON)
    first >> second
