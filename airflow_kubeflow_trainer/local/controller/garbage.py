"""Deletes what belongs to objects that are gone."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    TRAINJOBS,
    Resource,
)
from airflow_kubeflow_trainer.exceptions import NotFoundError
from airflow_kubeflow_trainer.local.controller.pods import TRACKING_FINALIZER

_OWNED = (PODS, CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS)
_OWNERS = {resource.kind: resource for resource in (TRAINJOBS, PODS, CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, SECRETS)}
"""Owners that can be looked up; an owner of another kind is taken to exist."""


class GarbageCollector:
    """Collects as Kubernetes does in the background: an object goes once none of its owners exists any more."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def collect(self, namespace: str | None = None) -> None:
        """Delete the orphans of a namespace; of all namespaces where none is given."""
        known: dict[str, bool] = {}
        for resource in _OWNED:
            answer = await self._client.get(resource.path(namespace=namespace))
            for item in answer["items"]:
                if await self._orphaned(item, known):
                    await self._delete(resource, item)

    async def _orphaned(self, item: dict[str, Any], known: dict[str, bool]) -> bool:
        owners = item["metadata"].get("ownerReferences") or []
        if not owners:
            return False
        for owner in owners:
            if owner["uid"] not in known:
                known[owner["uid"]] = await self._exists(owner, item["metadata"]["namespace"])
        return not any(known[owner["uid"]] for owner in owners)

    async def _exists(self, owner: dict[str, Any], namespace: str) -> bool:
        resource = _OWNERS.get(owner["kind"])
        if resource is None:
            return True
        try:
            found = await self._client.get(resource.path(namespace=namespace, name=owner["name"]))
        except NotFoundError:
            return False
        return bool(found["metadata"]["uid"] == owner["uid"])

    async def _delete(self, resource: Resource, item: dict[str, Any]) -> None:
        metadata = item["metadata"]
        path = resource.path(namespace=metadata["namespace"], name=metadata["name"])
        try:
            finalizers = metadata.get("finalizers") or []
            if TRACKING_FINALIZER in finalizers:
                # Nobody counts the pods of a Job that is gone.
                rest = [name for name in finalizers if name != TRACKING_FINALIZER]
                await self._client.patch(path, {"metadata": {"finalizers": rest}})
            if not metadata.get("deletionTimestamp"):
                await self._client.delete(path, body={"preconditions": {"uid": metadata["uid"]}})
        except NotFoundError:
            return
