"""The stock runtimes that ship with Trainer, as far as they run locally."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.exceptions import ConflictError


def stock_runtimes() -> list[dict[str, Any]]:
    """Return the ClusterTrainingRuntimes that scripts/vendor_trainer.py took over, in the order of their names."""
    folder = resources.files("airflow_kubeflow_trainer.local") / "runtimes"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


async def install(client: Client) -> None:
    """Create the stock runtimes; those that exist are left as the user made them."""
    for runtime in stock_runtimes():
        try:
            await client.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
        except ConflictError:
            continue
