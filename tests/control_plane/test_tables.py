"""The tables that `kubectl get` prints of the same objects are the same, cell by cell."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import (
    CONFIG_MAPS,
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    STORAGE_CLASSES,
    TRAINJOBS,
    Resource,
)
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.control_plane.kubectl import Kubectl
from tests.control_plane.plane import ControlPlane

NOW = datetime.now(UTC)


def ago(**length: float) -> str:
    """A timestamp."""
    return (NOW - timedelta(**length)).strftime("%Y-%m-%dT%H:%M:%SZ")


def container(name: str = "main", *, ready: bool = False, restarts: int = 0, **state: Any) -> dict[str, Any]:
    ended = {"terminated": {"exitCode": 1, "finishedAt": ago(hours=5, minutes=30)}} if restarts else {}
    common = {"image": "i", "imageID": "", "lastState": ended, "ready": ready, "restartCount": restarts}
    return {"name": name, **common, "state": state}


def status(*containers: dict[str, Any], phase: str = "Running", **more: Any) -> dict[str, Any]:
    return {"phase": phase, "containerStatuses": list(containers), **more}


RUNNING = {"running": {"startedAt": ago(hours=1)}}
COMPLETED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
PODS_BY_NAME = {
    "starts": status(container(waiting={"reason": "ContainerCreating"}), phase="Pending"),
    "pulls": status(container(waiting={"reason": "ImagePullBackOff"}), phase="Pending"),
    "runs": status(container(ready=True, **RUNNING), **READY),
    "restarted": status(container(ready=True, restarts=3, **RUNNING), **READY),
    "crashes": status(container(restarts=2, waiting={"reason": "CrashLoopBackOff"})),
    "killed": status(container(terminated={"exitCode": 137, "reason": "OOMKilled"}), phase="Failed"),
    "exit-code": status(container(terminated={"exitCode": 3}), phase="Failed"),
    "signal": status(container(terminated={"exitCode": 0, "signal": 9}), phase="Failed"),
    "done": status(container(**COMPLETED), phase="Succeeded"),
    "evicted": {"phase": "Failed", "reason": "Evicted"},
    "one-of-two": status(container(**COMPLETED), container("other", ready=True, **RUNNING), **READY),
    "one-not-ready": status(container(**COMPLETED), container("other", ready=True, **RUNNING)),
    "one-failed": status(container(**COMPLETED), container("other", terminated={"exitCode": 1})),
    "gated": {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
    },
}
EVENT_MOMENTS: dict[str, dict[str, Any]] = {
    "old": {"firstTimestamp": ago(days=3, hours=2), "lastTimestamp": ago(days=3), "count": 4},
    "new": {"eventTime": ago(hours=9)[:-1] + ".000000Z", "action": "a", "reportingInstance": "h"},
    "series": {
        "eventTime": ago(hours=9)[:-1] + ".000000Z",
        "series": {"count": 7, "lastObservedTime": ago(minutes=20)[:-1] + ".000000Z"},
        "action": "a",
        "reportingInstance": "h",
    },
}


@pytest.fixture
async def tables(
    plane: ControlPlane, embedded: LocalCluster, both: tuple[Client, Client], tmp_path: Path
) -> AsyncIterator[Any]:
    """Makes objects in a namespace of both, and gives what kubectl prints of them."""
    namespace = f"test-{uuid4().hex[:8]}"
    shared: list[str] = []
    for client in both:
        await client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})

    async def tables(resource: Resource, objects: list[dict[str, Any]]) -> list[list[list[str]]]:
        for client in both:
            for body in objects:
                await create(client, resource, namespace, body)
        if not resource.namespaced:
            shared.extend(resource.path(name=body["metadata"]["name"]) for body in objects)
        names = [body["metadata"]["name"] for body in objects]
        return [
            rows(Kubectl(config, tmp_path / name, namespace)("get", resource.plural, *names, "--output=wide"))
            for name, config in (("real", plane.kubeconfig), ("ours", embedded.kubeconfig))
        ]

    yield tables
    for client in both:
        await client.delete(f"/api/v1/namespaces/{namespace}")
        for path in shared:
            await client.delete(path)


async def create(client: Client, resource: Resource, namespace: str, body: dict[str, Any]) -> None:
    whole = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    if resource is EVENTS:
        whole["involvedObject"] = {**whole["involvedObject"], "namespace": namespace}
    created = await client.create(resource.path(namespace=namespace), whole)
    if "status" in body:
        path = resource.path(namespace=namespace, name=created["metadata"]["name"], subresource="status")
        await client.patch(path, {"status": body["status"]})


def rows(table: str) -> list[list[str]]:
    """The cells, without the seconds that may pass in between."""
    return [
        [re.sub(r"^\d+s$", "AGE", cell) for cell in re.split(r" {2,}", line.strip())] for line in table.splitlines()
    ]


async def test_of_pods(tables: Any) -> None:
    objects = [
        {
            "metadata": {"name": name},
            "spec": {
                "nodeName": "nowhere",  # so that no kubelet takes it up
                "containers": [
                    {"name": each["name"], "image": "i"} for each in found.get("containerStatuses", [{"name": "main"}])
                ],
            },
            "status": found,
        }
        for name, found in PODS_BY_NAME.items()
    ]

    real, ours = await tables(PODS, objects)

    assert ours == real
    [restarted] = [row[1:4] for row in real if row[0] == "restarted"]
    assert restarted[:2] == ["1/1", "Running"]
    assert re.fullmatch(r"3 \(5h\d\dm ago\)", restarted[2])


async def test_of_events(tables: Any) -> None:
    about = {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{node}"}
    objects = [
        {
            "metadata": {"name": name},
            "involvedObject": about,
            "type": "Warning",
            "reason": "Odd",
            "message": "  m\n",
            "reportingComponent": "c",
            **moments,
        }
        for name, moments in EVENT_MOMENTS.items()
    ]

    real, ours = await tables(EVENTS, objects)

    assert ours == real


async def test_of_nodes(tables: Any) -> None:
    addresses = [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "ExternalIP", "address": "1.2.3.4"}]
    role = {"labels": {"node-role.kubernetes.io/gpu": ""}}
    conditions = [{"type": "Ready", "status": "False"}]
    objects = [
        {"metadata": {"name": f"a-{uuid4().hex[:8]}"}},
        {
            "metadata": {"name": f"b-{uuid4().hex[:8]}", **role},
            "spec": {"unschedulable": True},
            "status": {"addresses": addresses, "conditions": conditions},
        },
    ]

    real, ours = await tables(NODES, objects)

    assert ours == real


async def test_of_what_holds_data(tables: Any) -> None:
    data = [{"metadata": {"name": "empty"}}, {"metadata": {"name": "two"}, "data": {"a": "eA==", "b": "eA=="}}]

    for resource in (SECRETS, CONFIG_MAPS):
        real, ours = await tables(resource, data)
        assert ours == real


async def test_of_claims(tables: Any) -> None:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    bound = {"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}}
    objects = [
        {
            "metadata": {"name": "bound"},
            "spec": {**spec, "volumeName": "v", "storageClassName": "fast"},
            "status": bound,
        },
    ]

    real, ours = await tables(PERSISTENT_VOLUME_CLAIMS, objects)

    assert ours == real


async def test_of_storage_classes(tables: Any) -> None:
    default = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    objects = [
        {"metadata": {"name": f"a-{uuid4().hex[:8]}"}, "provisioner": "example.com/nfs"},
        {
            "metadata": {"name": f"b-{uuid4().hex[:8]}", **default},
            "provisioner": "example.com/ssd",
            "reclaimPolicy": "Retain",
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
        },
    ]

    real, ours = await tables(STORAGE_CLASSES, objects)

    assert ours == real


async def test_of_trainjobs(tables: Any) -> None:
    spec = {"runtimeRef": {"name": "torch-distributed"}, "suspend": True}
    condition = {
        "type": "Suspended",
        "status": "True",
        "reason": "R",
        "message": "",
        "lastTransitionTime": ago(hours=1),
    }
    objects = [{"metadata": {"name": "waits"}, "spec": spec, "status": {"conditions": [condition]}}]

    real, ours = await tables(TRAINJOBS, objects)

    assert ours == real
    assert "Suspended" in real[1]
