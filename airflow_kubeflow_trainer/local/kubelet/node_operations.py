"""Provoke a node's troubles from outside: cordon, drain, lose, restore. All through the Kubernetes API.

A lost node is told and cleared up by controllers of a real cluster that the local one does without; they are played
here, each step as they do it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from airflow_kubeflow_trainer.cluster.client import STRATEGIC_MERGE_PATCH, Client
from airflow_kubeflow_trainer.cluster.resources import NODES, PODS
from airflow_kubeflow_trainer.exceptions import NotFoundError
from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.node import UNREACHABLE
from airflow_kubeflow_trainer.local.kubelet.objects import Pod


async def cordon(client: Client, node_name: str) -> None:
    """Let no new pod come to the node."""
    await client.patch(NODES.path(name=node_name), {"spec": {"unschedulable": True}})


async def drain(client: Client, node_name: str) -> list[str]:
    """Cordon the node and evict its pods, as ``kubectl drain`` does; return their names.

    Each pod has its own grace period. ``restore`` makes the node schedulable again.
    """
    await cordon(client, node_name)
    evicted = await _unfinished_pods(client, node_name)
    for pod in evicted:
        await _evict(client, pod)
    return [objects.name(pod) for pod in evicted]


async def lose(client: Client, node_name: str, *, evict_after_seconds: float = 0.0) -> list[str]:
    """Let the node be lost: its processes die at once and unreported, and its pods are taken away.

    :param evict_after_seconds: how long pods stay, Running for all that anybody knows. A real cluster waits for 300 s
        (the default toleration of an unreachable node).
    :return: the names of the pods that were taken away.
    """
    taints = [{"key": UNREACHABLE, "effect": effect} for effect in ("NoSchedule", "NoExecute")]
    await client.patch(NODES.path(name=node_name), {"spec": {"taints": taints}})
    await _report(client, node_name, status="Unknown")
    await asyncio.sleep(evict_after_seconds)
    lost = await _unfinished_pods(client, node_name)
    for pod in lost:
        await _delete_for_taint(client, pod)
        await _collect(client, pod)
    return [objects.name(pod) for pod in lost]


async def restore(client: Client, node_name: str) -> None:
    """Bring a drained or lost node back; the kubelet reports it ready and takes pods again."""
    await client.patch(NODES.path(name=node_name), {"spec": {"unschedulable": None, "taints": None}})


async def _unfinished_pods(client: Client, node_name: str) -> list[dict[str, Any]]:
    answer = await client.get(PODS.path(), params={"fieldSelector": f"spec.nodeName={node_name}"})
    return [pod for pod in answer["items"] if not objects.is_finished(pod)]


async def _evict(client: Client, pod: Pod) -> None:
    namespace, name = objects.namespace(pod), objects.name(pod)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": objects.uid(pod)}},
    }
    with suppress(NotFoundError):
        await client.create(PODS.path(namespace=namespace, name=name, subresource="eviction"), eviction)


async def _delete_for_taint(client: Client, pod: Pod) -> None:
    """Do what the taint eviction controller does."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": objects.rfc3339(time.time()),
    }
    with suppress(NotFoundError):
        await _patch_status(client, pod, {"conditions": [condition]})
        await _delete(client, pod)


async def _collect(client: Client, pod: Pod) -> None:
    """Do what the pod garbage collector does: no kubelet is left that could say that the pod has ended, and is gone."""
    with suppress(NotFoundError):
        await _patch_status(client, pod, {"phase": "Failed"})
        await _delete(client, pod, grace_seconds=0)


async def _patch_status(client: Client, pod: Pod, status: Mapping[str, Any]) -> None:
    path = PODS.path(namespace=objects.namespace(pod), name=objects.name(pod), subresource="status")
    await client.patch(path, {"status": status}, content_type=STRATEGIC_MERGE_PATCH)


async def _delete(client: Client, pod: Pod, *, grace_seconds: int | None = None) -> None:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": objects.uid(pod)}}
    if grace_seconds is not None:
        body["gracePeriodSeconds"] = grace_seconds
    await client.delete(PODS.path(namespace=objects.namespace(pod), name=objects.name(pod)), body=body)


async def _report(client: Client, node_name: str, *, status: str) -> None:
    now = objects.rfc3339(time.time())
    condition = {
        "type": "Ready",
        "status": status,
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    path = NODES.path(name=node_name, subresource="status")
    await client.patch(path, {"status": {"conditions": [condition]}}, content_type=STRATEGIC_MERGE_PATCH)
