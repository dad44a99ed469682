"""A cluster as its administrator sees it, beside what a DAG does in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import PERSISTENT_VOLUME_CLAIMS, TRAINJOBS

NAMESPACE = "default"


@dataclass(frozen=True)
class Cluster:
    """A cluster with this machine as its node."""

    directory: Path
    """The node's folder."""
    kubeconfig: Path

    def call(self, verb: str, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Call one method of `Client`, on a connection of its own."""

        async def work() -> dict[str, Any]:
            async with Client(await from_kubeconfig(self.kubeconfig)) as client:
                answer: dict[str, Any] = await getattr(client, verb)(path, *arguments, **options)
                return answer

        return asyncio.run(work())

    def trainjobs(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The TrainJobs of a DAG run."""
        found = self.call("get", TRAINJOBS.path(namespace=NAMESPACE))["items"]
        return [job for job in found if {dag_id, run_id} <= set(job["metadata"].get("annotations", {}).values())]

    def submit(self, name: str, script: str = "true", **metadata: Any) -> dict[str, Any]:
        """Submit a TrainJob beside Airflow, as somebody else does."""
        trainjob = {
            "apiVersion": TRAINJOBS.api_version,
            "kind": TRAINJOBS.kind,
            "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
            "spec": {
                "runtimeRef": {"name": "torch-distributed"},
                "trainer": {"command": ["sh", "-c", script], "numProcPerNode": 1},
            },
        }
        return self.call("create", TRAINJOBS.path(namespace=NAMESPACE), trainjob)

    def trainjob(self, name: str) -> dict[str, Any]:
        """A TrainJob as it is now."""
        return self.call("get", TRAINJOBS.path(namespace=NAMESPACE, name=name))

    def delete(self, name: str) -> None:
        """Delete a TrainJob."""
        self.call("delete", TRAINJOBS.path(namespace=NAMESPACE, name=name))

    def create_claim(self, name: str) -> None:
        """Make room for a model."""
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        self.call("create", PERSISTENT_VOLUME_CLAIMS.path(namespace=NAMESPACE), claim)

    def volume(self, claim: str) -> Path:
        """Where the files of a claim lie."""
        return self.directory / "volumes" / NAMESPACE / claim


def has_ended(trainjob: dict[str, Any]) -> bool:
    """Whether a TrainJob is complete or has failed."""
    conditions = trainjob.get("status", {}).get("conditions", [])
    return any(
        condition["type"] in ("Complete", "Failed") and condition["status"] == "True" for condition in conditions
    )
