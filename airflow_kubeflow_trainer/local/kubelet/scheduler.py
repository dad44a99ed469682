"""Bind waiting pods to the node, the oldest first."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from airflow_kubeflow_trainer.cluster.client import STRATEGIC_MERGE_PATCH, Client
from airflow_kubeflow_trainer.cluster.resources import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, Resource
from airflow_kubeflow_trainer.exceptions import ConflictError, KubeflowTrainerError, NotFoundError
from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.events import EventRecorder
from airflow_kubeflow_trainer.local.kubelet.fitting import why_not
from airflow_kubeflow_trainer.local.kubelet.objects import Pod

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0


@dataclass
class ClusterView:
    """What the kubelet's watches have told."""

    pods: dict[str, Pod] = field(default_factory=dict)
    """By uid."""
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By uid."""
    unbound: set[str] = field(default_factory=set)
    """Those of the claims that could not be bound, by uid; their turn comes again."""
    node: dict[str, Any] | None = None
    listed: set[Resource] = field(default_factory=set)
    """Of which resources all is known that there was when the watches began."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Scheduler:
    """Binds what fits and says of the rest why it does not."""

    def __init__(self, client: Client, view: ClusterView, events: EventRecorder, *, node_name: str) -> None:
        self._client = client
        self._view = view
        self._events = events
        self._node_name = node_name
        self._bound: dict[str, Pod] = {}
        """Pods that were bound here and whose change the watch has not told yet."""
        self._refused: dict[str, str] = {}
        """What was said last of a pod that does not fit."""

    async def run(self) -> None:
        """Schedule whenever something has changed, until cancelled."""
        while True:
            await self._view.changed.wait()
            self._view.changed.clear()
            if not await self._schedule():
                await asyncio.sleep(RETRY_SECONDS)
                self._view.changed.set()

    async def _schedule(self) -> bool:
        """Go once over all waiting pods; return False where one is to be tried again soon."""
        if not self._view.listed >= {NODES, PERSISTENT_VOLUME_CLAIMS, PODS}:
            return True
        pods = self._view.pods
        self._bound = {uid: pod for uid, pod in self._bound.items() if uid in pods and not _is_bound(pods[uid])}
        self._refused = {uid: reason for uid, reason in self._refused.items() if uid in pods}
        waiting = [pod for uid, pod in pods.items() if uid not in self._bound and _is_waiting(pod)]
        healthy = True
        for pod in sorted(waiting, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", objects.name(pod))):
            try:
                await self._consider(pod)
            except (NotFoundError, ConflictError) as error:
                log.debug("Pod %s is not bound: %s", objects.name(pod), error)
            except KubeflowTrainerError as error:
                log.info("Pod %s is scheduled again: %s", objects.name(pod), error)
                healthy = False
            except Exception as error:  # noqa: BLE001 (it is told in the log and as an event)
                # It must not keep the others from their turn, nor end the kubelet and with it all that runs.
                self._give_up(pod, error)
        return healthy

    def _give_up(self, pod: Pod, error: Exception) -> None:
        reason = f"the pod cannot be understood: {error!r}"
        if self._refused.get(objects.uid(pod)) != reason:
            self._refused[objects.uid(pod)] = reason
            log.error("Pod %s is not scheduled", objects.name(pod), exc_info=error)
            self._events.tell(pod, kind="Warning", reason="FailedScheduling", message=reason)

    async def _consider(self, pod: Pod) -> None:
        running = [other for other in self._view.pods.values() if self._runs_here(other)]
        claims = {
            claim["metadata"]["name"]: uid not in self._view.unbound
            for uid, claim in self._view.claims.items()
            if claim["metadata"]["namespace"] == objects.namespace(pod)
        }
        reason = why_not(pod, self._view.node, [*running, *self._bound.values()], claims)
        if reason is None:
            await self._bind(pod)
        elif self._refused.get(objects.uid(pod)) != reason:
            self._refused[objects.uid(pod)] = reason
            self._events.tell(pod, kind="Warning", reason="FailedScheduling", message=reason)
            await self._mark_unschedulable(pod, reason)

    def _runs_here(self, pod: Pod) -> bool:
        return objects.node_name(pod) == self._node_name and not objects.is_finished(pod)

    async def _bind(self, pod: Pod) -> None:
        namespace, name = objects.namespace(pod), objects.name(pod)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": objects.uid(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node_name},
        }
        await self._client.create(PODS.path(namespace=namespace, name=name, subresource="binding"), binding)
        self._bound[objects.uid(pod)] = pod
        message = f"Successfully assigned {namespace}/{name} to {self._node_name}"
        self._events.tell(pod, kind="Normal", reason="Scheduled", message=message)

    async def _mark_unschedulable(self, pod: Pod, reason: str) -> None:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": reason,
            "lastTransitionTime": objects.rfc3339(time.time()),
        }
        path = PODS.path(namespace=objects.namespace(pod), name=objects.name(pod), subresource="status")
        await self._client.patch(path, {"status": {"conditions": [condition]}}, content_type=STRATEGIC_MERGE_PATCH)


def _is_bound(pod: Pod) -> bool:
    return objects.node_name(pod) is not None


def _is_waiting(pod: Pod) -> bool:
    if _is_bound(pod) or objects.is_deleted(pod) or objects.is_finished(pod):
        return False
    return not pod["spec"].get("schedulingGates")
