"""The kubelet: the node, its scheduler, its claims and its pods, as one coroutine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, Resource
from airflow_kubeflow_trainer.cluster.watch import Watch, WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError
from airflow_kubeflow_trainer.local.kubelet import node
from airflow_kubeflow_trainer.local.kubelet.claims import ClaimBinder, StorageClassError
from airflow_kubeflow_trainer.local.kubelet.events import EventRecorder
from airflow_kubeflow_trainer.local.kubelet.gpus import GpuAllocator, gpus_of_this_machine
from airflow_kubeflow_trainer.local.kubelet.isolation import Isolation, best_isolation
from airflow_kubeflow_trainer.local.kubelet.log_server import LogServer
from airflow_kubeflow_trainer.local.kubelet.options import KubeletOptions
from airflow_kubeflow_trainer.local.kubelet.pod_context import NodeContext
from airflow_kubeflow_trainer.local.kubelet.pods import PodManager
from airflow_kubeflow_trainer.local.kubelet.readers import Readers
from airflow_kubeflow_trainer.local.kubelet.scheduler import ClusterView, Scheduler

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 2.0
RETRY_SECONDS = 2.0
"""How soon a claim that could not be bound is tried again."""


async def run_kubelet(client: Client, options: KubeletOptions, *, ready: asyncio.Event | None = None) -> None:
    """Be the cluster's node until cancelled; then kill every process of every pod.

    :param ready: set once the node is registered and pods can come.
    """
    isolation = options.isolation or await best_isolation()
    if isolation is Isolation.NONE:
        log.warning(
            "This machine forbids namespaces: TrainJobs run one at a time, the paths of their volumes rewritten in "
            "command, args and env"
        )
    await _Kubelet(client, options, isolation).run(ready)


class _Kubelet:
    def __init__(self, client: Client, options: KubeletOptions, isolation: Isolation) -> None:
        self._client = client
        self._options = options
        self._view = ClusterView()
        self._capacity = node.machine_capacity(options.capacity)
        self._events = EventRecorder(client, component="kubelet", host=options.node_name)
        self._scheduler_events = EventRecorder(client, component="default-scheduler", host=options.node_name)
        self._claim_events = EventRecorder(
            client, component="persistentvolume-controller", host=options.node_name, kind="PersistentVolumeClaim"
        )
        context = NodeContext(
            images=options.all_images(),
            events=self._events,
            gpus=GpuAllocator(gpus_of_this_machine()),
            allocatable=self._capacity,
            restart_backoff_seconds=options.restart_backoff_seconds,
            log_segment_bytes=options.log_segment_bytes,
            log_segments=options.log_segments,
        )
        self._pods = PodManager(client, options, context, isolation)
        self._claims = ClaimBinder(client, options.volumes_directory)
        self._port: int | None = None

    async def run(self, ready: asyncio.Event | None) -> None:
        for folder in (self._options.pods_directory, self._options.volumes_directory):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        scheduler = Scheduler(self._client, self._view, self._scheduler_events, node_name=self._options.node_name)
        async with AsyncExitStack() as stack:
            self._port = await self._serve_logs(stack)
            stack.push_async_callback(self._pods.abandon)
            await self._register(self._port)
            if ready is not None:
                ready.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._events.run())
                tasks.create_task(self._scheduler_events.run())
                tasks.create_task(self._claim_events.run())
                tasks.create_task(scheduler.run())
                tasks.create_task(self._follow_node())
                tasks.create_task(self._follow_claims())
                tasks.create_task(self._bind_again())
                tasks.create_task(self._follow_pods())
                if self._options.heartbeat_seconds is not None:
                    tasks.create_task(self._beat(self._options.heartbeat_seconds))

    async def _serve_logs(self, stack: AsyncExitStack) -> int | None:
        authority = self._options.client_ca_file
        if authority is None:
            return None
        readers = Readers(self._client, node_name=self._options.node_name)
        server = LogServer(self._pods, readers, client_ca_file=authority, port=self._options.port)
        return await stack.enter_async_context(server.running())

    async def _register(self, port: int | None) -> None:
        while True:
            try:
                await node.register(self._client, name=self._options.node_name, capacity=self._capacity, port=port)
                return
            except KubeflowTrainerError as error:
                log.warning("The node is registered again in %.0f s: %s", RECONNECT_SECONDS, error)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow_pods(self) -> None:
        async for event in _forever(self._client, PODS):
            if event.type is WatchType.SYNCED:
                existing = await _uids(self._client, PODS)
                self._view.pods = {uid: pod for uid, pod in self._view.pods.items() if uid in existing}
                self._pods.keep_only(existing)
                self._view.listed.add(PODS)
            elif event.type is WatchType.DELETED:
                self._view.pods.pop(event.object["metadata"]["uid"], None)
                self._pods.remove(event.object)
                self._forget(event.object["metadata"]["uid"])
            else:
                self._view.pods[event.object["metadata"]["uid"]] = event.object
                self._take_up(event.object)
            self._view.changed.set()

    def _take_up(self, pod: dict[str, Any]) -> None:
        try:
            self._pods.update(pod)
        except Exception:
            # One pod that cannot be understood must not end the kubelet, and with it all that runs.
            log.exception("Pod %s is not taken up", pod["metadata"].get("name"))

    def _forget(self, uid: str) -> None:
        self._events.forget(uid)
        self._scheduler_events.forget(uid)

    async def _follow_claims(self) -> None:
        async for event in _forever(self._client, PERSISTENT_VOLUME_CLAIMS):
            if event.type is WatchType.SYNCED:
                existing = await _uids(self._client, PERSISTENT_VOLUME_CLAIMS)
                self._view.claims = {uid: claim for uid, claim in self._view.claims.items() if uid in existing}
                await self._claims.release_all_but(existing)
                self._view.listed.add(PERSISTENT_VOLUME_CLAIMS)
            elif event.type is WatchType.DELETED:
                self._view.claims.pop(event.object["metadata"]["uid"], None)
                await self._claims.release(event.object)
                self._claim_events.forget(event.object["metadata"]["uid"])
            else:
                await self._bind(event.object)
                self._view.claims[event.object["metadata"]["uid"]] = event.object
            self._view.changed.set()

    async def _bind(self, claim: dict[str, Any]) -> None:
        metadata = claim["metadata"]
        try:
            await self._claims.bind(claim)
        except (KubeflowTrainerError, OSError, StorageClassError) as error:
            if metadata["uid"] not in self._view.unbound:
                log.warning("Claim %s/%s is not bound yet: %s", metadata["namespace"], metadata["name"], error)
                self._claim_events.tell(claim, kind="Warning", reason="ProvisioningFailed", message=str(error))
            self._view.unbound.add(metadata["uid"])
        else:
            self._view.unbound.discard(metadata["uid"])

    async def _bind_again(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            self._view.unbound &= set(self._view.claims)
            for uid in list(self._view.unbound):
                # It may have been deleted while another one was bound.
                if (claim := self._view.claims.get(uid)) is not None:
                    await self._bind(claim)
                    self._view.changed.set()

    async def _follow_node(self) -> None:
        mine = f"metadata.name={self._options.node_name}"
        async for event in _forever(self._client, NODES, field_selector=mine):
            if event.type is WatchType.SYNCED:
                self._view.listed.add(NODES)
                self._view.changed.set()
                continue
            self._view.node = None if event.type is WatchType.DELETED else event.object
            self._view.changed.set()
            if self._view.node is None:
                # As a kubelet does: only who stops it takes its node away.
                await self._register(self._port)
                continue
            # Where heartbeats count, the taint says that some were missed, and the next one takes it away.
            if node.is_lost(self._view.node) and self._options.heartbeat_seconds is None:
                await self._pods.lose_all()
            else:
                self._pods.resume(self._view.pods.values())
                await self._show_ready(self._view.node)

    async def _beat(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            if self._view.node is not None:
                try:
                    await node.beat(self._client, self._view.node)
                except KubeflowTrainerError as error:
                    log.warning("The node did not report that it is there: %s", error)

    async def _show_ready(self, current: dict[str, Any]) -> None:
        try:
            await node.show_ready(self._client, current)
        except KubeflowTrainerError as error:
            log.warning("The node did not report that it is ready: %s", error)


async def _uids(client: Client, resource: Resource) -> set[str]:
    """Return what exists now: a watch that lists again does not tell what it missed the deletion of."""
    while True:
        try:
            return {item["metadata"]["uid"] for item in (await client.get(resource.path()))["items"]}
        except KubeflowTrainerError as error:
            log.warning("%s are listed again in %.0f s: %s", resource.plural, RECONNECT_SECONDS, error)
            await asyncio.sleep(RECONNECT_SECONDS)


async def _forever(
    client: Client, resource: Resource, *, field_selector: str | None = None
) -> AsyncIterator[WatchEvent]:
    """Watch through every outage, also those that the watch itself gives up on."""
    while True:
        try:
            async for event in Watch(client, resource, field_selector=field_selector).events():
                if event.is_change or event.type is WatchType.SYNCED:
                    yield event
        except KubeflowTrainerError as error:
            log.warning("%s are watched again in %.0f s: %s", resource.plural, RECONNECT_SECONDS, error)
        await asyncio.sleep(RECONNECT_SECONDS)
