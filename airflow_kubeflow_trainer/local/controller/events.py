"""Kubernetes events, in the shape in which Trainer, JobSet and the Job controller write them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import EVENTS
from airflow_kubeflow_trainer.exceptions import ConflictError
from airflow_kubeflow_trainer.local.controller.job_sync import JobEvent

LONGEST_MESSAGE = 1024


@dataclass(frozen=True)
class Source:
    """Who reports: its name, and whether it speaks the older way, with a first timestamp and a count."""

    component: str
    counts: bool


TRAINER = Source("trainer-trainjob-controller", counts=False)
JOBSET = Source("jobset", counts=False)
JOB = Source("job-controller", counts=True)


def reference(api_version: str, kind: str, *, namespace: str, name: str, uid: str) -> dict[str, str]:
    """Return an event's ``involvedObject``."""
    return {"apiVersion": api_version, "kind": kind, "namespace": namespace, "name": name, "uid": uid}


class Recorder:
    """Writes events; the same event again counts up the first one."""

    def __init__(self, client: Client, now: Callable[[], float] = time.time) -> None:
        self._client = client
        self._now = now

    async def emit(self, involved: dict[str, str], event: JobEvent, source: Source) -> None:
        """Write an event about an object."""
        namespace = involved["namespace"]
        body = _body(involved, event, source, datetime.fromtimestamp(self._now(), UTC))
        try:
            await self._client.create(EVENTS.path(namespace=namespace), body)
        except ConflictError:
            await self._count(namespace, body, source)

    async def _count(self, namespace: str, body: dict[str, Any], source: Source) -> None:
        path = EVENTS.path(namespace=namespace, name=body["metadata"]["name"])
        before = await self._client.get(path)
        if source.counts:
            again = {"count": (before.get("count") or 1) + 1, "lastTimestamp": body["lastTimestamp"]}
        else:
            times = ((before.get("series") or {}).get("count") or 1) + 1
            again = {"series": {"count": times, "lastObservedTime": body["eventTime"]}}
        await self._client.patch(path, again)


def _body(involved: dict[str, str], event: JobEvent, source: Source, now: datetime) -> dict[str, Any]:
    identity = "/".join((involved["uid"], event.reason, event.message))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{involved['name']}.{digest}", "namespace": involved["namespace"]},
        "involvedObject": involved,
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:LONGEST_MESSAGE],
        "reportingComponent": source.component,
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
    }
    if source.counts:
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        body |= {"firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1, "reportingInstance": ""}
        body["source"] = {"component": source.component}
    else:
        body |= {"eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "action": "Reconciling"}
        body["reportingInstance"] = f"{source.component}-local"
    return body
