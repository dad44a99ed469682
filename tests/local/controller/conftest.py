"""The controller against objects in memory, under a clock that only the test moves."""

from __future__ import annotations

import copy
import itertools
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES, TRAINJOBS
from airflow_kubeflow_trainer.exceptions import api_error
from airflow_kubeflow_trainer.local.admission import admit
from airflow_kubeflow_trainer.local.controller.reconciler import Reconciler
from airflow_kubeflow_trainer.local.controller.runtimes import stock_runtimes

NAMESPACE = "default"
START = 1_800_000_000.0
POD_LIMIT = 40
"""A controller that makes more pods than this in one test runs wild."""


class CrashError(Exception):
    """The cluster dies."""


class Objects:
    """What a Client needs of an API server: get, list, create, merge patch and delete, with finalizers."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes = 0
        self.crash_at: int | None = None
        self.pods_made = 0
        self._now = now
        self._versions = itertools.count(1)

    async def get(self, path: str, *, params: dict[str, str] | None = None) -> dict[str, Any]:
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        collection = path.rpartition("/")[2]
        if collection in ("pods", "events", "configmaps", "persistentvolumeclaims", "trainjobs"):
            return {"items": [copy.deepcopy(item) for item in self._list(path, (params or {}).get("labelSelector"))]}
        raise self._error(404, path)

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{path}/{body['metadata']['name']}"
        if name in self.objects:
            raise self._error(409, name)
        self._write()
        self.pods_made += path.endswith("/pods")
        assert self.pods_made <= POD_LIMIT
        obj = copy.deepcopy(body)
        now = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        obj["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
        self.objects[name] = obj
        return copy.deepcopy(obj)

    async def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        target = path.removesuffix("/status")
        if target not in self.objects:
            raise self._error(404, target)
        merged = _merge(self.objects[target], body)
        if merged != self.objects[target]:
            self._write()
            self.objects[target] = merged
            self._collect(target)
        return copy.deepcopy(merged)

    async def delete(self, path: str, *, body: dict[str, Any] | None = None) -> dict[str, Any]:
        obj = self.objects.get(path)
        if obj is None:
            raise self._error(404, path)
        wanted = ((body or {}).get("preconditions") or {}).get("uid")
        if wanted not in (None, obj["metadata"]["uid"]):
            raise self._error(409, path)
        if "deletionTimestamp" not in obj["metadata"]:
            self._write()
            obj["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
        self._collect(path)
        return copy.deepcopy(obj)

    def _write(self) -> None:
        self.writes += 1
        if self.writes == self.crash_at:
            raise CrashError

    def _collect(self, path: str) -> None:
        metadata = self.objects[path]["metadata"]
        runs = self.objects[path].get("status", {}).get("phase") == "Running"
        if "deletionTimestamp" in metadata and not metadata.get("finalizers") and not runs:
            del self.objects[path]

    def _list(self, path: str, selector: str | None) -> list[dict[str, Any]]:
        wanted = dict(term.split("=") for term in selector.split(",")) if selector else {}
        inside = [item for name, item in self.objects.items() if name.rpartition("/")[0] == path]
        return [item for item in inside if wanted.items() <= (item["metadata"].get("labels") or {}).items()]

    @staticmethod
    def _error(status: int, path: str) -> Exception:
        reason = {404: "NotFound", 409: "AlreadyExists"}[status]
        return api_error(status, reason, f"{path}: {reason}")


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


class Cluster:
    """A controller, its objects and a clock; the test plays user and kubelet."""

    CrashError = CrashError

    def __init__(self) -> None:
        self.now = START
        self.objects = Objects(lambda: self.now)
        self.restart()
        self.runtimes: dict[str, dict[str, Any]] = {}
        for runtime in stock_runtimes():
            self.install(runtime)

    def restart(self) -> None:
        """Start the controller anew: what it does not find in the objects is forgotten."""
        self._reconciler = Reconciler(self.objects, now=lambda: self.now)

    def install(self, runtime: dict[str, Any]) -> None:
        stored, _ = self._admit(CLUSTER_TRAINING_RUNTIMES, runtime)
        path = CLUSTER_TRAINING_RUNTIMES.path(name=runtime["metadata"]["name"])
        self.runtimes[runtime["metadata"]["name"]] = self.objects.objects[path] = stored

    async def submit(self, name: str = "job", *, runtime: str = "torch-distributed", **spec: Any) -> dict[str, Any]:
        """Create a TrainJob, as admission leaves it; settle() must follow."""
        trainjob = {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"runtimeRef": {"name": runtime}, **spec},
        }
        stored, _ = self._admit(TRAINJOBS, trainjob)
        return await self.objects.create(TRAINJOBS.path(namespace=NAMESPACE), stored)

    async def settle(self, name: str = "job") -> float | None:
        """Reconcile until nothing changes; return when the controller wants to look again."""
        while True:
            before = self._state()
            again = await self._reconciler.reconcile((NAMESPACE, name))
            if self._state() == before:
                return again

    def _state(self) -> dict[str, Any]:
        # That an event is counted up is no progress.
        return {path: copy.deepcopy(item) for path, item in self.objects.objects.items() if "/events/" not in path}

    async def wait(self, seconds: float, name: str = "job") -> None:
        self.now += seconds
        await self.settle(name)

    async def update(self, name: str = "job", **spec: Any) -> None:
        await self.objects.patch(TRAINJOBS.path(namespace=NAMESPACE, name=name), {"spec": spec})
        await self.settle(name)

    async def delete(self, name: str = "job") -> None:
        await self.objects.delete(TRAINJOBS.path(namespace=NAMESPACE, name=name))
        await self.settle(name)

    async def play(self, phase: str, match: str = "", *, restarts: int = 0, ready: bool | None = None) -> None:
        """Say of the pods whose names begin so, and that have not ended, what a kubelet would."""
        for path, pod in list(self.objects.objects.items()):
            ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
            if "/pods/" not in path or not pod["metadata"]["name"].startswith(match) or ended:
                continue
            is_ready = phase == "Running" if ready is None else ready
            status = {
                "phase": phase,
                "conditions": [{"type": "Ready", "status": str(is_ready)}],
                "containerStatuses": [{"name": "node", "restartCount": restarts}],
            }
            await self.objects.patch(path, {"status": status})
        await self.settle()

    async def lose(self, match: str) -> None:
        """Delete pods from outside, as a node that goes takes its pods with it."""
        for path, pod in list(self.objects.objects.items()):
            if "/pods/" in path and pod["metadata"]["name"].startswith(match):
                pod["status"].pop("phase")
                await self.objects.delete(path)
        await self.settle()

    def names(self, plural: str) -> list[str]:
        return [item["metadata"]["name"] for item in self.all(plural)]

    def all(self, plural: str) -> list[dict[str, Any]]:
        return [item for path, item in self.objects.objects.items() if f"/{plural}/" in path]

    def pods(self) -> list[str]:
        """Return the pods' names without their random endings, sorted."""
        return sorted(name.rpartition("-")[0] for name in self.names("pods"))

    def trainjob(self, name: str = "job") -> dict[str, Any]:
        return self.objects.objects[TRAINJOBS.path(namespace=NAMESPACE, name=name)]

    def jobs_status(self, name: str = "job") -> dict[str, dict[str, int]]:
        """Return the counts that are not zero, by replicated job."""
        statuses = self.trainjob(name).get("status", {}).get("jobsStatus", [])
        return {item["name"]: {k: v for k, v in item.items() if k != "name" and v} for item in statuses}

    def conditions(self, name: str = "job") -> dict[str, tuple[str, str, str]]:
        conditions = self.trainjob(name).get("status", {}).get("conditions", [])
        return {item["type"]: (item["status"], item["reason"], item["message"]) for item in conditions}

    def events(self) -> list[tuple[str, str, str, str]]:
        """Return kind, name, reason and message of all events."""
        return [
            (item["involvedObject"]["kind"], item["involvedObject"]["name"], item["reason"], item["message"])
            for item in self.all("events")
        ]

    def _admit(self, resource: Any, obj: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        def lookup(plural: str, namespace: str | None, name: str) -> dict[str, Any] | None:
            return self.runtimes.get(name)

        return admit(operation="CREATE", resource=resource, obj=obj, old=None, lookup=lookup)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()
