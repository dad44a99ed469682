"""The pods of this node, each with its worker."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.isolation import Isolation, JobSandboxes
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.kubelet.options import KubeletOptions
from airflow_kubeflow_trainer.local.kubelet.pod_context import NodeContext
from airflow_kubeflow_trainer.local.kubelet.pod_worker import PodWorker


class PodManager:
    """Gives each pod that is bound to this node a worker, and ends it with the pod."""

    def __init__(self, client: Client, options: KubeletOptions, node: NodeContext, isolation: Isolation) -> None:
        self._client = client
        self._options = options
        self._node = node
        self._sandboxes = JobSandboxes(options.directory / "jobs", isolation)
        self._workers: dict[str, PodWorker] = {}
        self._removals: set[asyncio.Task[None]] = set()
        self._lost = False

    def update(self, pod: Pod) -> None:
        """Take note of a new or changed pod."""
        if objects.node_name(pod) != self._options.node_name or self._lost:
            return
        uid = objects.uid(pod)
        if uid in self._workers:
            self._workers[uid].update(pod)
        else:
            self._workers[uid] = PodWorker(self._client, self._options, self._node, self._sandboxes, pod)

    def remove(self, pod: Pod) -> None:
        """Forget a pod that exists no more: its processes are killed and its folder goes."""
        self._remove_soon(objects.uid(pod))

    def keep_only(self, uids: set[str]) -> None:
        """Forget all pods but these, also those of which only a folder is left."""
        folders = {path.name for path in self._options.pods_directory.iterdir()}
        for uid in (folders | set(self._workers)) - uids:
            self._remove_soon(uid)

    async def lose_all(self) -> None:
        """Kill everything and report nothing, until the node is restored."""
        self._lost = True
        await self.abandon()

    def resume(self, pods: Iterable[Pod]) -> None:
        """Go on after ``lose_all``, as after a reboot."""
        if self._lost:
            self._lost = False
            for pod in pods:
                self.update(pod)

    async def abandon(self) -> None:
        """Kill the processes of all pods."""
        workers, self._workers = self._workers, {}
        await asyncio.gather(*(worker.abandon() for worker in workers.values()), *self._removals)

    def find(self, *, namespace: str, name: str) -> PodWorker | None:
        """Return the worker of a pod by its name."""
        for worker in self._workers.values():
            if objects.namespace(worker.pod) == namespace and objects.name(worker.pod) == name:
                return worker
        return None

    def _remove_soon(self, uid: str) -> None:
        removal = asyncio.create_task(self._remove(uid, self._workers.pop(uid, None)))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    async def _remove(self, uid: str, worker: PodWorker | None) -> None:
        if worker is not None:
            await worker.abandon()
        await asyncio.to_thread(shutil.rmtree, self._options.pods_directory / uid, ignore_errors=True)
