"""An API server in the test's own event loop, with nothing else beside it; and one without HTTP."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.cluster.resources import PODS, TRAINJOBS, Resource
from airflow_kubeflow_trainer.local.admission import admit
from airflow_kubeflow_trainer.local.api import ApiServer
from airflow_kubeflow_trainer.local.api.deletion import DeleteOptions
from airflow_kubeflow_trainer.local.api.registry import Place, Registry, WriteOptions
from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.api.store import Store
from airflow_kubeflow_trainer.local.pki import Pki

TOKEN = "the-token-of-these-tests"


class Server:
    """An API server that a test may stop and start again."""

    def __init__(self, directory: Path, pki: Pki) -> None:
        self.directory = directory
        self.pki = pki
        self.url = ""
        self.client: Client
        self._running = AsyncExitStack()

    async def start(self, *, history_length: int = 10_000) -> None:
        api = ApiServer(
            database=self.directory / "state.db",
            token=TOKEN,
            pki=self.pki,
            admit=admit,
            history_length=history_length,
        )
        self.url = await self._running.enter_async_context(api.running())
        credentials = Credentials.from_token(server=self.url, ca_file=self.pki.ca_certificate, token=TOKEN)
        self.client = await self._running.enter_async_context(Client(credentials))

    async def stop(self) -> None:
        await self._running.aclose()

    async def restart(self, *, history_length: int = 10_000) -> None:
        await self.stop()
        await self.start(history_length=history_length)

    async def create(self, resource: Resource, name: str, **fields: Any) -> dict[str, Any]:
        """Create an object in the namespace ``default``; ``metadata`` adds to its name."""
        metadata = {"name": name, **fields.pop("metadata", {})}
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}
        return await self.client.create(resource.path(namespace="default"), body)

    async def create_pod(self, name: str, *, node: str | None = None, **fields: Any) -> dict[str, Any]:
        spec = {"containers": [{"name": "main", "image": "python"}], **fields.pop("spec", {})}
        pod = await self.create(PODS, name, spec=spec, **fields)
        if node is None:
            return pod
        await self.client.create(path(PODS, name, "binding"), {"target": {"kind": "Node", "name": node}})
        return await self.client.get(path(PODS, name))

    async def create_trainjob(self, name: str, **fields: Any) -> dict[str, Any]:
        spec = {"runtimeRef": {"name": "torch-distributed"}, **fields.pop("spec", {})}
        return await self.create(TRAINJOBS, name, spec=spec, **fields)

    async def watch(self, resource: Resource, **params: Any) -> list[dict[str, Any]]:
        """Return what a watch of the namespace ``default`` tells until it ends; it lasts 1 s unless told otherwise."""
        text = b""
        params = {"watch": True, "timeoutSeconds": 1, **params}
        async with self.client.stream(resource.path(namespace="default"), params=params) as chunks:
            async for chunk in chunks:
                text += chunk
        return [json.loads(line) for line in text.splitlines()]


def path(resource: Resource, name: str | None = None, subresource: str | None = None) -> str:
    return resource.path(namespace="default", name=name, subresource=subresource)


class Objects:
    """A registry without HTTP; without admission, too, unless told otherwise."""

    def __init__(self, file: Path, *, admitting: bool = False) -> None:
        self.store = Store(file)
        self.registry = Registry(self.store, admit if admitting else _let_all_in)

    def let_in(self, body: dict[str, Any], resource: ApiResource, namespace: str) -> None:
        """Create an object past admission."""
        Registry(self.store, _let_all_in).create(resource, namespace, body, WriteOptions())

    def put(self, place: Place, labels: dict[str, str]) -> None:
        """Create an object, or give it other labels."""
        body = {"metadata": {"name": place.name, "labels": labels}}
        if self.store.get(place.resource, (place.namespace, place.name)) is None:
            self.registry.create(place.resource, place.namespace, body, WriteOptions())
        else:
            self.registry.replace(place, body, WriteOptions())

    def delete(self, place: Place) -> None:
        if self.store.get(place.resource, (place.namespace, place.name)) is not None:
            self.registry.delete(place, DeleteOptions())


def _let_all_in(*, obj: dict[str, Any], **_: Any) -> tuple[dict[str, Any], list[str]]:
    return obj, []
