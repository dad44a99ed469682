"""Tell people what happens to pods and claims, as Kubernetes Events."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import EVENTS
from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError
from airflow_kubeflow_trainer.local.kubelet import objects

log = logging.getLogger(__name__)

EventType = Literal["Normal", "Warning"]


class EventRecorder:
    """Writes events in the background, in order; one that was told before is counted up. None is worth a failure."""

    def __init__(self, client: Client, *, component: str, host: str, kind: str = "Pod") -> None:
        """:param kind: what all of them are about."""
        self._client = client
        self._kind = kind
        self._source = {"component": component, "host": host}
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._told: dict[tuple[str, str, str], dict[str, Any]] = {}

    def tell(self, about: Mapping[str, Any], *, kind: EventType, reason: str, message: str) -> None:
        """Queue an event."""
        metadata = about["metadata"]
        now = objects.rfc3339(time.time())
        event = {
            "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": self._kind,
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source["host"],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._queue.put_nowait(event)

    def forget(self, uid: str) -> None:
        """Let go of what was told about an object that is gone."""
        self._told = {key: value for key, value in self._told.items() if key[0] != uid}

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except KubeflowTrainerError as error:
                log.debug("Event %s was not written: %s", event["reason"], error)

    async def _write(self, event: dict[str, Any]) -> None:
        key = (event["involvedObject"]["uid"], event["reason"], event["message"])
        namespace = event["metadata"]["namespace"]
        if key not in self._told:
            self._told[key] = event
            await self._client.create(EVENTS.path(namespace=namespace), event)
            return
        first = self._told[key]
        first["count"] += 1
        path = EVENTS.path(namespace=namespace, name=first["metadata"]["name"])
        await self._client.patch(path, {"count": first["count"], "lastTimestamp": event["lastTimestamp"]})
