"""Pods without a TrainJob, for what is between the API server and the kubelet alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import PODS
from airflow_kubeflow_trainer.exceptions import NotFoundError

T = TypeVar("T")


class ShellPod:
    """One pod with a container `main` that runs a shell script, and a volume at /state that outlives its restarts."""

    def __init__(self, client: Client, namespace: str, script: str, **spec: Any) -> None:
        self._client = client
        self.name = f"pod-{uuid4().hex[:8]}"
        self.path = PODS.path(namespace=namespace, name=self.name)
        self._parent = PODS.path(namespace=namespace)
        state = {"volumeMounts": [{"name": "state", "mountPath": "/state"}]}
        env = {"env": [{"name": "POD_OF_A_TEST", "value": self.name}]}
        container = {"name": "main", "image": "python", "command": ["sh", "-c", script], **state, **env}
        volumes = {"volumes": [{"name": "state", "emptyDir": {}}]}
        self._spec = {"restartPolicy": "OnFailure", "containers": [container], **volumes, **spec}

    async def create(self) -> None:
        metadata = {"name": self.name}
        await self._client.create(
            self._parent, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self._spec}
        )

    async def delete(self, **options: Any) -> None:
        await self._client.delete(self.path, body={"apiVersion": "v1", "kind": "DeleteOptions", **options})

    async def read(self) -> dict[str, Any]:
        """The pod as it is; empty where it is no more."""
        try:
            return await self._client.get(self.path)
        except NotFoundError:
            return {}

    async def container(self) -> dict[str, Any]:
        """The status of the container; empty where there is none yet."""
        statuses = (await self.read()).get("status", {}).get("containerStatuses", [])
        return dict(statuses[0]) if statuses else {}

    async def log(self, **options: Any) -> str:
        """The log, by the options' names in the API."""
        async with self._client.stream(f"{self.path}/log", params=options) as chunks:
            return b"".join([chunk async for chunk in chunks]).decode()

    async def started(self, *, restarts: int = 0) -> None:
        """Wait until the container runs, after so many restarts."""
        await until(
            self.container, lambda seen: "running" in seen.get("state", {}) and seen["restartCount"] == restarts
        )

    def processes(self) -> list[int]:
        """The process ids of what the container has started, its supervisor aside."""
        mark = f"POD_OF_A_TEST={self.name}".encode()
        return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if mark in _environment(folder)]

    async def running_processes(self) -> list[int]:
        """The same, to be waited for."""
        return self.processes()

    def signal(self, number: int) -> None:
        """Send a signal to all of them."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, number)


def _environment(folder: Path) -> list[bytes]:
    try:
        return (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


async def until(read: Callable[[], Awaitable[T]], accept: Callable[[T], bool], *, seconds: float = 60) -> T:
    """Read again and again until it is as it should be, and return that."""
    async with asyncio.timeout(seconds):
        while True:
            seen = await read()
            if accept(seen):
                return seen
            await asyncio.sleep(0.1)
