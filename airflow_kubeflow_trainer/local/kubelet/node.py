"""The Node object: this machine as Kubernetes sees it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from typing import Any

from airflow_kubeflow_trainer.cluster.client import STRATEGIC_MERGE_PATCH, Client
from airflow_kubeflow_trainer.cluster.resources import NODES
from airflow_kubeflow_trainer.exceptions import ConflictError
from airflow_kubeflow_trainer.local.kubelet import gpus, objects
from airflow_kubeflow_trainer.local.kubelet.environment import LOOPBACK

UNREACHABLE = "node.kubernetes.io/unreachable"
"""The taint of a node that is lost; a kubelet that sees it on its own node plays dead."""
_NOT_READY = "node.kubernetes.io/not-ready"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def machine_capacity(overrides: Mapping[str, str]) -> dict[str, str]:
    """Return cores, memory and GPUs of this machine, where they are not overridden."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory // 1024}Ki", "pods": "1000"}
    if count := len(gpus.gpus_of_this_machine()):
        found[gpus.RESOURCE] = str(count)
    return {**found, **overrides}


async def register(client: Client, *, name: str, capacity: Mapping[str, str], port: int | None) -> None:
    """Create the Node, or take it over, and say that it is ready.

    :param port: where logs are served; None serves none.
    """
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": _ARCHITECTURES.get(platform.machine(), platform.machine()),
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}
    try:
        await client.create(NODES.path(), node)
    except ConflictError:
        await client.patch(NODES.path(name=name), {"metadata": {"labels": labels}})
    status: dict[str, Any] = {
        "capacity": dict(capacity),
        "allocatable": dict(capacity),
        # No Hostname: an API server would take it for an address, and prefer it.
        "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
        "conditions": [_ready()],
    }
    if port is not None:
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
    await _patch_status(client, name, status)


async def show_ready(client: Client, node: Mapping[str, Any]) -> None:
    """Say that the node is ready where it does not look so.

    Admission taints a new node until a node lifecycle controller finds it ready; where none runs, nobody else would
    take that taint away.
    """
    name = node["metadata"]["name"]
    if not _is_ready(node):
        await _patch_status(client, name, {"conditions": [_ready()]})
    taints = node["spec"].get("taints") or []
    kept = [taint for taint in taints if taint["key"] != _NOT_READY]
    if kept != taints:
        await client.patch(NODES.path(name=name), {"spec": {"taints": kept or None}})


async def beat(client: Client, node: Mapping[str, Any]) -> None:
    """Say that the node is still there: Kubernetes takes one for lost that was not heard of for 50 s."""
    condition = _ready()
    if _is_ready(node):
        del condition["lastTransitionTime"]
    await _patch_status(client, node["metadata"]["name"], {"conditions": [condition]})


def is_lost(node: Mapping[str, Any]) -> bool:
    """Whether the node bears the taint of a lost one."""
    return any(taint.get("key") == UNREACHABLE for taint in node["spec"].get("taints") or [])


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def _ready() -> dict[str, str]:
    now = objects.rfc3339(time.time())
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }


async def _patch_status(client: Client, name: str, status: Mapping[str, Any]) -> None:
    path = NODES.path(name=name, subresource="status")
    await client.patch(path, {"status": status}, content_type=STRATEGIC_MERGE_PATCH)
