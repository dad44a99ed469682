"""One pod, from when it is bound to this node until nothing of it is left."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import PODS
from airflow_kubeflow_trainer.exceptions import ConflictError, KubeflowTrainerError, NotFoundError
from airflow_kubeflow_trainer.local.kubelet import objects, size_limits
from airflow_kubeflow_trainer.local.kubelet.container import ContainerRunner
from airflow_kubeflow_trainer.local.kubelet.ending import Ending
from airflow_kubeflow_trainer.local.kubelet.isolation import JobSandbox, JobSandboxes, SandboxError
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.kubelet.options import KubeletOptions
from airflow_kubeflow_trainer.local.kubelet.pod_context import NodeContext, PodContext
from airflow_kubeflow_trainer.local.kubelet.pod_status import pod_status
from airflow_kubeflow_trainer.local.kubelet.records import load_record
from airflow_kubeflow_trainer.local.kubelet.reporter import StatusReporter
from airflow_kubeflow_trainer.local.kubelet.sources import api_source
from airflow_kubeflow_trainer.local.kubelet.volumes import VolumeError, Volumes, claims_folder

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
DEFAULT_GRACE_SECONDS = 30.0
EVICTION_GRACE_SECONDS = 1.0
"""What a kubelet gives a pod that it evicts at once."""


class PodWorker:
    """Lives one pod's life as a task of its own, and reports it."""

    def __init__(
        self, client: Client, options: KubeletOptions, node: NodeContext, sandboxes: JobSandboxes, pod: Pod
    ) -> None:
        self._client = client
        self._options = options
        self._node = node
        self._sandboxes = sandboxes
        self.pod = pod
        self.folder = options.pods_directory / objects.uid(pod)
        self._volumes = self.folder / "volumes"
        self.record = load_record(pod, self.folder)
        self._saved = True
        self._ending = Ending()
        self._conditions: list[Mapping[str, Any]] = (pod.get("status") or {}).get("conditions") or []
        self._reporter = StatusReporter(client, pod, self._status)
        self._deleted = asyncio.Event()
        self._task = asyncio.create_task(self._live(), name=f"pod {objects.name(pod)}")
        self.update(pod)

    def update(self, pod: Pod) -> None:
        """Take note of a change; the one that matters is that somebody wants the pod deleted."""
        self.pod = pod
        if objects.is_deleted(pod):
            grace = pod["metadata"].get("deletionGracePeriodSeconds")
            self._ending.ask(grace_seconds=self._default_grace() if grace is None else float(grace))
            self._deleted.set()

    async def abandon(self) -> None:
        """Kill the pod's processes and report nothing, as a node does that loses its power."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _default_grace(self) -> float:
        stated = self.pod["spec"].get("terminationGracePeriodSeconds")
        return DEFAULT_GRACE_SECONDS if stated is None else float(stated)

    def _status(self) -> dict[str, Any]:
        status = pod_status(
            self.pod,
            self.record,
            now=time.time(),
            stopping=self._ending.asked.is_set(),
            known_conditions=self._conditions,
        )
        self._conditions = status["conditions"]
        return status

    def _changed(self) -> None:
        self._save()
        self._reporter.changed()

    def _save(self) -> None:
        """Write down how the pod stands; where that fails it goes on, and only a kubelet that starts anew is misled."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.record.save(self.folder)
        except OSError as error:
            if self._saved:
                log.error("What becomes of pod %s cannot be kept in %s: %s", objects.name(self.pod), self.folder, error)
            self._saved = False
        else:
            self._saved = True

    async def _save_at_last(self) -> None:
        self._save()
        while not self._saved:
            await asyncio.sleep(RETRY_SECONDS)
            self._save()

    async def _live(self) -> None:
        reporting = asyncio.create_task(self._reporter.run())
        try:
            if not objects.is_finished(self.pod):
                await self._run_until_over()
                self._changed()
                await self._save_at_last()
                await self._reporter.settled()
                log.info("Pod %s is over: %s", objects.name(self.pod), self._status()["phase"])
            await self._deleted.wait()
            await self._confirm_deletion()
        finally:
            reporting.cancel()

    async def _run_until_over(self) -> None:
        """Run the pod; what goes wrong on the node's side is told and tried again, as by any kubelet."""
        deadline, limits = self._watch_deadline(), asyncio.create_task(self._watch_size_limits())
        try:
            while True:
                try:
                    self._changed()
                    await self._run()
                    return
                except SandboxError as error:
                    message = f"Failed to create pod sandbox: {error}"
                    self._node.events.tell(self.pod, kind="Warning", reason="FailedCreatePodSandBox", message=message)
                except Exception:
                    log.exception("Pod %s is tried again", objects.name(self.pod))
                if await self._ending.pause(RETRY_SECONDS):
                    return
        finally:
            limits.cancel()
            if deadline is not None:
                deadline.cancel()

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            sandbox = await self._join_sandbox(stack)
            if sandbox is None:
                return
            source = api_source(self._client, objects.namespace(self.pod))
            volumes = Volumes(
                self.pod,
                folder=self._volumes,
                claims=claims_folder(self._options.volumes_directory, self.pod),
                source=source,
            )
            context = PodContext(
                node=self._node,
                pod=self.pod,
                record=self.record,
                folder=self.folder,
                sandbox=sandbox,
                volumes=volumes,
                source=source,
                ending=self._ending,
                changed=self._changed,
            )
            await self._run_containers(context)

    async def _join_sandbox(self, stack: AsyncExitStack) -> JobSandbox | None:
        """Join the job's sandbox for as long as the stack lasts; None where the pod has to end before its turn."""
        joining = asyncio.ensure_future(stack.enter_async_context(self._sandboxes.join(self.pod)))
        asked = asyncio.ensure_future(self._ending.asked.wait())
        either: set[asyncio.Future[Any]] = {joining, asked}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return joining.result() if joining.done() else None
        finally:
            asked.cancel()
            joining.cancel()

    async def _run_containers(self, context: PodContext) -> None:
        while not self._ending.asked.is_set():
            try:
                await context.volumes.set_up()
                break
            except VolumeError as error:
                context.tell(kind="Warning", reason="FailedMount", message=str(error))
                await self._ending.pause(RETRY_SECONDS)
        spec = context.pod["spec"]
        for container in spec.get("initContainers") or []:
            if not await ContainerRunner(context, container, init=True).run():
                return
        runners = [ContainerRunner(context, container) for container in spec["containers"]]
        async with asyncio.TaskGroup() as group:
            for runner in runners:
                group.create_task(runner.run())

    def _watch_deadline(self) -> asyncio.TimerHandle | None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return None
        left = self.record.started_at + float(seconds) - time.time()
        return asyncio.get_running_loop().call_later(max(0.0, left), self._deadline_exceeded)

    def _deadline_exceeded(self) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        self.record.failure = {"reason": "DeadlineExceeded", "message": message}
        self._node.events.tell(self.pod, kind="Normal", reason="DeadlineExceeded", message=message)
        self._ending.ask(grace_seconds=self._default_grace())

    async def _watch_size_limits(self) -> None:
        message = await size_limits.exceeded(self.pod, self._volumes)
        self.record.failure = {"reason": "Evicted", "message": message}
        self._node.events.tell(self.pod, kind="Warning", reason="Evicted", message=message)
        self._ending.ask(grace_seconds=EVICTION_GRACE_SECONDS)

    async def _confirm_deletion(self) -> None:
        """Tell the API that no process is left, so that the object may go."""
        path = PODS.path(namespace=objects.namespace(self.pod), name=objects.name(self.pod))
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": objects.uid(self.pod)},
        }
        while True:
            try:
                await self._client.delete(path, body=body)
                return
            except (NotFoundError, ConflictError):
                return
            except KubeflowTrainerError as error:
                log.info("The deletion of %s is confirmed again: %s", path, error)
            await asyncio.sleep(RETRY_SECONDS)
