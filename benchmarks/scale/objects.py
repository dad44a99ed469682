"""What is waited for: TrainJobs with a pod each, and Jobs, whose states this program writes in a controller's place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from airflow_kubeflow_trainer.cluster.client import STRATEGIC_MERGE_PATCH, Client
from airflow_kubeflow_trainer.cluster.resources import NAMESPACES, PODS, TRAINJOBS

AT_A_TIME = 16


class Objects(Protocol):
    """One kind of what is waited for."""

    namespace: str

    async def create(self, client: Client, name: str) -> str:
        """Make one that runs; return its uid."""

    async def end(self, client: Client, name: str) -> float:
        """Let one end well; return when, in seconds since the epoch: before the request is sent."""


class TrainJobs:
    """Ours: TrainJobs that train, each with its pod."""

    namespace = "ours"

    async def create(self, client: Client, name: str) -> str:
        created = await client.create(TRAINJOBS.path(namespace=self.namespace), _trainjob(name))
        jobs = [{"name": "node", "ready": 1, "active": 1, "succeeded": 0, "failed": 0, "suspended": 0}]
        await self._patch_status(client, name, {"jobsStatus": jobs})
        await client.create(PODS.path(namespace=self.namespace), _pod(name))
        await self._patch_pod(client, name, "Running", {"running": {"startedAt": _now()}})
        return str(created["metadata"]["uid"])

    async def end(self, client: Client, name: str) -> float:
        over = {"exitCode": 0, "reason": "Completed", "startedAt": _now(), "finishedAt": _now()}
        await self._patch_pod(client, name, "Succeeded", {"terminated": over})
        complete = {
            "type": "Complete",
            "status": "True",
            "reason": "AllJobsCompleted",
            "message": "jobset completed successfully",
            "lastTransitionTime": _now(),
        }
        sent = time.time()
        await self._patch_status(client, name, {"conditions": [complete]})
        return sent

    async def _patch_status(self, client: Client, name: str, status: dict[str, Any]) -> None:
        path = TRAINJOBS.path(namespace=self.namespace, name=name, subresource="status")
        await client.patch(path, {"status": status})

    async def _patch_pod(self, client: Client, name: str, phase: str, state: dict[str, Any]) -> None:
        status = {
            "name": "node",
            "state": state,
            "ready": phase == "Running",
            "restartCount": 0,
            "image": "",
            "imageID": "",
        }
        path = PODS.path(namespace=self.namespace, name=_pod_of(name), subresource="status")
        body = {"status": {"phase": phase, "containerStatuses": [status]}}
        await client.patch(path, body, content_type=STRATEGIC_MERGE_PATCH)


class Jobs:
    """The peer's: Jobs of Kubernetes."""

    namespace = "theirs"

    async def create(self, client: Client, name: str) -> str:
        created = await client.create(f"/apis/batch/v1/namespaces/{self.namespace}/jobs", _job(name))
        await self._patch(client, name, {"startTime": _now(), "active": 1, "ready": 1})
        return str(created["metadata"]["uid"])

    async def end(self, client: Client, name: str) -> float:
        over = [
            {"type": kind, "status": "True", "lastProbeTime": _now(), "lastTransitionTime": _now()}
            for kind in ("SuccessCriteriaMet", "Complete")
        ]
        sent = time.time()
        await self._patch(
            client, name, {"conditions": over, "completionTime": _now(), "succeeded": 1, "active": 0, "ready": 0}
        )
        return sent

    async def _patch(self, client: Client, name: str, status: dict[str, Any]) -> None:
        await client.patch(f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{name}/status", {"status": status})


async def create_all(client: Client, objects: Objects, names: Iterable[str]) -> dict[str, str]:
    """Make many; return their uids by name."""
    turns = asyncio.Semaphore(AT_A_TIME)

    async def create(name: str) -> tuple[str, str]:
        async with turns:
            return name, await objects.create(client, name)

    return dict(await asyncio.gather(*map(create, names)))


async def create_namespaces(client: Client) -> None:
    for name in (TrainJobs.namespace, Jobs.namespace):
        await client.create(NAMESPACES.path(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _trainjob(name: str) -> dict[str, Any]:
    identity = {"airflow-kubeflow-trainer.apache.org/dag": "finetune", "team": "nlp"}
    return {
        "apiVersion": TRAINJOBS.api_version,
        "kind": TRAINJOBS.kind,
        "metadata": {"name": name, "labels": identity},
        "spec": {
            "runtimeRef": {
                "apiGroup": "trainer.kubeflow.org",
                "kind": "ClusterTrainingRuntime",
                "name": "torchtune-llama3.2-1b",
            },
            "trainer": {
                "command": ["tune", "run"],
                "args": [f"some.override={number}" for number in range(12)],
                "resourcesPerNode": {"limits": {"nvidia.com/gpu": "1"}},
            },
        },
    }


def _pod_of(name: str) -> str:
    return f"{name}-node-0-0"


def _pod(name: str) -> dict[str, Any]:
    labels = {
        "jobset.sigs.k8s.io/jobset-name": name,
        "jobset.sigs.k8s.io/replicatedjob-name": "node",
        "batch.kubernetes.io/job-completion-index": "0",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _pod_of(name), "labels": labels},
        "spec": {"containers": [{"name": "node", "image": "a/b:1"}], "restartPolicy": "Never"},
    }


def _job(name: str) -> dict[str, Any]:
    pod = {"containers": [{"name": "base", "image": "a/b:1", "args": ["train"]}], "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"team": "nlp"}},
        "spec": {"template": {"spec": pod}},
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
