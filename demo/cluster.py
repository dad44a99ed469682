"""The cluster of the demo, and what its administrator does on it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import PERSISTENT_VOLUME_CLAIMS

NAMESPACE = "default"


def create_claim(kubeconfig: Path, name: str, *, size: str = "5Gi") -> None:
    """Create a PersistentVolumeClaim, on which trained models outlive their TrainJobs."""
    claim: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }

    async def create() -> None:
        async with Client(await from_kubeconfig(kubeconfig)) as client:
            await client.create(PERSISTENT_VOLUME_CLAIMS.path(namespace=NAMESPACE), claim)

    asyncio.run(create())


def volume(directory: Path, claim: str) -> Path:
    """Where the local cluster that lives in `directory` keeps the files of a claim."""
    return directory / "volumes" / NAMESPACE / claim
