"""What cannot be changed of an object once it is there, both API servers say alike; what can, both change."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    TRAINJOBS,
    Resource,
)
from airflow_kubeflow_trainer.exceptions import ApiError
from tests.control_plane.pods import until

pytestmark = pytest.mark.usefixtures("node")

Object = dict[str, Any]
Both = tuple[Client, Client]


@dataclass(frozen=True)
class Change:
    """An object, and a merge patch of it."""

    resource: Resource
    before: Object
    patch: Object


def pod(**spec: Any) -> Change:
    """A change of a pod that no kubelet takes up."""
    container = {"name": "main", "image": "i", "command": ["true"]}
    toleration = {"key": "a", "operator": "Exists"}
    before = {"nodeName": "nowhere", "containers": [container], "tolerations": [toleration], "activeDeadlineSeconds": 9}
    return Change(PODS, {"spec": before}, {"spec": spec})


def claim(**spec: Any) -> Change:
    before = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return Change(PERSISTENT_VOLUME_CLAIMS, {"spec": before}, {"spec": spec})


FIXED = {"immutable": True, "data": {"a": "eA=="}}
CHANGES = {
    "a pod's image": pod(containers=[{"name": "main", "image": "other", "command": ["true"]}]),
    "a pod's command": pod(containers=[{"name": "main", "image": "i", "command": ["false"]}]),
    "a pod's container": pod(containers=[{"name": "other", "image": "i", "command": ["true"]}]),
    "a pod's node": pod(nodeName="elsewhere"),
    "a pod's restart policy": pod(restartPolicy="Never"),
    "a pod's volumes": pod(volumes=[{"name": "v", "emptyDir": {}}]),
    "a pod's grace": pod(terminationGracePeriodSeconds=5),
    "a pod's deadline, sooner": pod(activeDeadlineSeconds=5),
    "a pod's deadline, later": pod(activeDeadlineSeconds=50),
    "a pod's deadline, none": pod(activeDeadlineSeconds=None),
    "a pod's tolerations, more": pod(tolerations=[{"key": "a", "operator": "Exists"}, {"operator": "Exists"}]),
    "a pod's tolerations, fewer": pod(tolerations=[]),
    "a pod's labels": Change(PODS, pod().before, {"metadata": {"labels": {"a": "b"}}}),
    "a claim's access": claim(accessModes=["ReadWriteMany"]),
    "a claim's size": claim(resources={"requests": {"storage": "2Gi"}}),
    "a claim's class": claim(storageClassName="fast"),
    "a claim's volume": claim(volumeName="other"),
    "a secret's data": Change(SECRETS, {"data": {"a": "eA=="}}, {"data": {"a": "eQ=="}}),
    "a secret's type": Change(SECRETS, {"data": {"a": "eA=="}}, {"type": "other"}),
    "an immutable secret's data": Change(SECRETS, FIXED, {"data": {"a": "eQ=="}}),
    "an immutable secret, mutable again": Change(SECRETS, FIXED, {"immutable": False}),
    "an immutable secret's labels": Change(SECRETS, FIXED, {"metadata": {"labels": {"a": "b"}}}),
    "settings": Change(CONFIG_MAPS, {"data": {"a": "x"}}, {"data": {"a": "y"}}),
    "immutable settings": Change(CONFIG_MAPS, {"immutable": True, "data": {"a": "x"}}, {"data": {"a": "y"}}),
    "immutable binary settings": Change(CONFIG_MAPS, FIXED | {"data": {}}, {"binaryData": {"a": "eA=="}}),
    "a TrainJob's uid": Change(
        TRAINJOBS,
        {"spec": {"runtimeRef": {"name": "torch-distributed"}, "suspend": True}},
        {"metadata": {"uid": "other"}},
    ),
    "a uid": Change(CONFIG_MAPS, {}, {"metadata": {"uid": "other"}}),
    "a name": Change(CONFIG_MAPS, {}, {"metadata": {"name": "other"}}),
    "a namespace": Change(CONFIG_MAPS, {}, {"metadata": {"namespace": "other"}}),
    "a moment of creation": Change(CONFIG_MAPS, {}, {"metadata": {"creationTimestamp": "2000-01-01T00:00:00Z"}}),
}


@pytest.mark.parametrize("row", CHANGES)
async def test_a_change_is_answered_alike(both: Both, row: str) -> None:
    name = f"i-{uuid4().hex[:8]}"
    real, ours = await asyncio.gather(*(answer(client, name, CHANGES[row]) for client in both))

    assert ours == real


async def answer(client: Client, name: str, change: Change) -> Any:
    """What comes of a change: the code, words and fields of the refusal, or the object without what is chance."""
    resource = change.resource
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, **change.before}
    await client.create(resource.path(namespace="default"), body)
    path = resource.path(namespace="default", name=name)
    if resource is PERSISTENT_VOLUME_CLAIMS:
        await until(lambda: client.get(path), lambda claim: claim["status"].get("phase") == "Bound")
    try:
        changed = await client.patch(path, change.patch)
    except ApiError as error:
        # After the first line comes what differs, as Go prints it.
        causes = error.details.get("causes") or ()
        return error.status, error.message.partition("\n")[0], {cause.get("field", "") for cause in causes}
    finally:
        await client.delete(path, body={"gracePeriodSeconds": 0})
    kept = {key: part for key, part in changed.items() if key not in ("metadata", "status")}
    return kept, changed["metadata"].get("labels")
