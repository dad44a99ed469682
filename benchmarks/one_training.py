"""One DAG run by `dag.test()`, for training_overhead: submits, defers, waits, finishes. Prints how long that took."""

from __future__ import annotations

import json
import os
import sys
import time

from airflow.dag_processing.bundles.manager import DagBundlesManager
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

SETTINGS = json.loads(os.environ["ONE_TRAINING"])

with DAG("one_training", schedule=None) as dag:
    BuiltinTrainerOperator(
        task_id="train",
        runtime="torchtune-llama3.2-1b",
        initializer=Initializer(
            dataset=DatasetInitializer(storage_uri=SETTINGS["dataset"]),
            model=ModelInitializer(storage_uri=SETTINGS["model"]),
        ),
        config=TorchTuneConfig(
            epochs=1,
            batch_size=4,
            gradient_accumulation_steps=1,
            optimizer="torch.optim.AdamW",
            learning_rate=1e-3,
            seed=0,
            device="cpu",
            dtype="fp32",
            num_proc_per_node=1,
            resources_per_node={"cpu": 1},
            dataset_preprocess_config=TorchTuneInstructDataset(source="json"),
            overrides=SETTINGS["overrides"],
        ),
        output=PersistentVolumeOutput(SETTINGS["claim"]),
    )


def main() -> int:
    DagBundlesManager().sync_bundles_to_db()
    started = time.perf_counter()
    run = dag.test()
    print(json.dumps({"state": str(run.state), "seconds": time.perf_counter() - started}))
    return int(run.state != "success")


if __name__ == "__main__":
    sys.exit(main())
