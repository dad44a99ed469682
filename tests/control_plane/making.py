"""What a control plane makes of TrainJobs where no node runs their pods, in comparable form."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import (
    EVENTS,
    JOBS,
    JOBSETS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    TRAINJOBS,
    Resource,
)
from airflow_kubeflow_trainer.cluster.watch import Watch, WatchType
from airflow_kubeflow_trainer.exceptions import ApiError

Object = dict[str, Any]
Note = Callable[["Made", Object], None]
STEPS = ("dataset-initializer", "model-initializer")
_SERVERS = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "ownerReferences",
    "managedFields",
    "namespace",
)
"""What is different with each creation; owners are compared by themselves."""
_BETWEEN = (JOBSETS, JOBS)
"""What stands between a TrainJob and its pods on the real plane alone."""
_ENDING = "[bcdfghjklmnpqrstvwxz2456789]{5}"
"""What Kubernetes adds to a `generateName`."""
_UID_KEYS = ("jobset.sigs.k8s.io/jobset-uid", "batch.kubernetes.io/controller-uid", "controller-uid")


@dataclass
class Made:
    """What became of one TrainJob."""

    code: int
    """HTTP's, of its creation."""
    pods: list[list[Object]] = field(default_factory=lambda: [[]])
    """Pods in the order of their creation, by what had ended before: nothing, the data set's initializer, ..."""
    claims: list[Object] = field(default_factory=list)
    parents: dict[str, Object] = field(default_factory=dict)
    """What others belong to, by uid: the TrainJob, its JobSet, its Jobs."""
    status: Object = field(default_factory=dict)
    warnings: set[tuple[str, str, str]] = field(default_factory=set)
    """Kind, reason and words of the events that tell of trouble."""

    def comparable(self) -> Object:
        """Everything of it that must be the same on both planes."""
        uids: dict[str, str] = {}
        return {
            "code": self.code,
            "pods": [[self._comparable(pod, uids) for pod in _in_order(wave)] for wave in self.pods],
            "claims": [self._comparable(claim, uids) for claim in self.claims],
            "status": _bare_status(self.status),
            "warnings": self.warnings,
        }

    def _comparable(self, item: Object, uids: dict[str, str]) -> Object:
        references = item["metadata"].get("ownerReferences") or []
        return {**_bare(item, uids), "owners": [self._owner(reference) for reference in references]}

    def _owner(self, reference: Object) -> Object:
        """Return how an object belongs to another, and which that is in the end."""
        flags = {key: reference.get(key) for key in ("controller", "blockOwnerDeletion")}
        while parent := self.parents.get(reference["uid"]):
            if not (above := parent["metadata"].get("ownerReferences")):
                return {**flags, "kind": reference["kind"], "name": reference["name"]}
            reference = above[0]
        return {**flags, "unknown": reference}


class Making:
    """One plane; TrainJobs are created in namespaces of their own, and the test plays their kubelet."""

    def __init__(self, client: Client, *, real: bool) -> None:
        self._client = client
        self._between = _BETWEEN if real else ()
        self.made: dict[str, Made] = {}

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Take note of all that is made while the context lasts."""
        async with asyncio.TaskGroup() as tasks:
            notes: list[tuple[Resource, Note]] = [
                (PODS, lambda made, pod: made.pods[-1].append(pod)),
                (PERSISTENT_VOLUME_CLAIMS, lambda made, claim: made.claims.append(claim)),
                (EVENTS, _note_event),
                (TRAINJOBS, _note_trainjob),
                *((parent, _note_parent) for parent in self._between),
            ]
            started = [tasks.create_task(self._follow(resource, note)) for resource, note in notes]
            yield
            for task in started:
                task.cancel()

    async def _follow(self, resource: Resource, note: Note) -> None:
        async for event in Watch(self._client, resource).events():
            made = self.made.get(event.object.get("metadata", {}).get("namespace", ""))
            first = event.type is WatchType.ADDED or resource is TRAINJOBS
            if made is not None and event.is_change and first:
                note(made, event.object)

    async def create(self, namespace: str, body: Object) -> str:
        """Create a TrainJob, and return the name that it got; empty where it is refused."""
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await self._client.create(NAMESPACES.path(), space)
        made = self.made[namespace] = Made(201)
        try:
            created = await self._client.create(
                TRAINJOBS.path(namespace=namespace), body, params={"fieldValidation": "Strict"}
            )
        except ApiError as error:
            made.code = error.status
            return ""
        return str(created["metadata"]["name"])

    async def end(self, step: str) -> None:
        """Let all pods of one step do their work; what is made from now on is made after it."""
        await asyncio.gather(*(self._end(made, step) for made in self.made.values()))

    async def _end(self, made: Made, step: str) -> None:
        done = [pod for wave in made.pods for pod in wave if f"-{step}-" in pod["metadata"]["generateName"]]
        made.pods.append([])
        for pod in done:
            path = PODS.path(namespace=pod["metadata"]["namespace"], name=pod["metadata"]["name"], subresource="status")
            ended = {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}, "ready": False, "restartCount": 0}
            statuses = [
                {**ended, "name": container["name"], "image": "", "imageID": ""}
                for container in pod["spec"]["containers"]
            ]
            await self._client.patch(path, {"status": {"phase": "Succeeded", "containerStatuses": statuses}})


async def agree(first: Making, second: Making, *, seconds: float) -> None:
    """Wait until both planes have made the same, and make nothing more for a moment; at most so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            before = None
            while True:
                now = [{name: made.comparable() for name, made in plane.made.items()} for plane in (first, second)]
                if now[0] == now[1] and now == before:
                    return
                before = now
                await asyncio.sleep(2)


def _note_event(made: Made, event: Object) -> None:
    # Trainer applies a JobSet anew while it has not heard yet that it is there, and is refused; so JobSet is with Jobs.
    unheard = re.search(r'Value is immutable|jobs\.batch "[^"]*" already exists', event["message"])
    if event["type"] == "Warning" and not unheard:
        # Where a whole object is the value that is wrong, it is printed with its defaults.
        words = re.sub(r"Invalid value: \[\{.*\}\]:", "Invalid value: ...:", event["message"])
        made.warnings.add((event["involvedObject"]["kind"], event["reason"], words))


def _note_trainjob(made: Made, trainjob: Object) -> None:
    made.status = trainjob.get("status") or {}
    _note_parent(made, trainjob)


def _note_parent(made: Made, parent: Object) -> None:
    made.parents[parent["metadata"]["uid"]] = parent


def _in_order(wave: list[Object]) -> list[Object]:
    """Sort pods by name, and those of one Job by the batches of 1, 2, 4, ... in which it makes them."""
    by_job: dict[str, list[Object]] = {}
    for pod in wave:
        by_job.setdefault(pod["metadata"]["labels"]["job-name"], []).append(pod)
    found = []
    for _, pods in sorted(by_job.items()):
        size = 1
        while pods:
            batch, pods = pods[:size], pods[size:]
            found += sorted(batch, key=lambda pod: str(pod["metadata"]["generateName"]))
            size *= 2
    return found


def _bare(item: Object, uids: dict[str, str]) -> Object:
    """Without what differs from one creation to the next; uids by their order."""
    item = copy.deepcopy(item)
    metadata = item["metadata"]
    for key in _SERVERS:
        metadata.pop(key, None)
    if "generateName" in metadata:
        assert re.fullmatch(re.escape(metadata["generateName"]) + _ENDING, metadata.pop("name"))
    for texts in (metadata.get("labels") or {}, metadata.get("annotations") or {}):
        for key in sorted(set(_UID_KEYS) & texts.keys()):
            texts[key] = uids.setdefault(texts[key], f"uid {len(uids)}")
    # Nothing here protects a claim that is in use: see docs/differences.md.
    if metadata.get("finalizers") == ["kubernetes.io/pvc-protection"]:
        del metadata["finalizers"]
    status = dict(item["status"])
    if "conditions" in status:
        status["conditions"] = [{**each, "lastTransitionTime": ""} for each in status["conditions"]]
    return {"metadata": metadata, "spec": item["spec"], "status": status}


def _bare_status(status: Object) -> Object:
    conditions = [
        {key: condition[key] for key in ("type", "status", "reason", "message")}
        for condition in status.get("conditions") or []
    ]
    return {"conditions": conditions, "jobsStatus": {job["name"]: job for job in status.get("jobsStatus") or []}}
