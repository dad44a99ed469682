"""One container of a pod: started, watched, restarted, until it is over."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.container_spec import RunFiles, build_spec, run_files
from airflow_kubeflow_trainer.local.kubelet.environment import ContainerConfigError
from airflow_kubeflow_trainer.local.kubelet.images import Image, explain_missing, find_image
from airflow_kubeflow_trainer.local.kubelet.pod_context import PodContext
from airflow_kubeflow_trainer.local.kubelet.pod_status import should_restart
from airflow_kubeflow_trainer.local.kubelet.process import ContainerProcess, read_exit
from airflow_kubeflow_trainer.local.kubelet.records import lost
from airflow_kubeflow_trainer.local.kubelet.supervisor.spec import Exit, Spec
from airflow_kubeflow_trainer.local.kubelet.termination import terminated_state

log = logging.getLogger(__name__)

LONGEST_BACKOFF_SECONDS = 300.0
BACKOFF_RESET_SECONDS = 600.0
"""A container that ran for this long starts its back-off anew."""
CONFIG_RETRY_SECONDS = 2.0
PULL_RETRY_SECONDS = 1.0
IMAGE_NAME = re.compile(r"[A-Za-z0-9.:_-]+(/[a-z0-9._-]+)*(:[\w.-]{1,128})?(@[a-z0-9]+:[0-9a-f]{32,})?")
"""A reference of an image, roughly: what a container runtime can make sense of."""


class ContainerRunner:
    """Runs one container as its pod's restartPolicy says."""

    def __init__(self, context: PodContext, container: Mapping[str, Any], *, init: bool = False) -> None:
        self._context = context
        self._container = container
        self._init = init
        self._name = str(container["name"])
        self._record = context.record.containers[self._name]
        self._crashes = 0

    async def run(self) -> bool:
        """Return, once nothing of the container will run any more, whether it succeeded."""
        self._recover()
        while True:
            ended = self._record.terminated
            if ended is not None and not should_restart(self._context.pod, ended["exitCode"], init=self._init):
                return self._record.succeeded
            if self._context.ending.asked.is_set():
                return self._record.succeeded
            if ended is not None and await self._back_off():
                return False
            await self._run_once()

    def _recover(self) -> None:
        """Settle a run that an earlier kubelet began: nothing that it started outlived it."""
        unrecorded = self._files(self._record.next_run).log
        if "running" not in self._record.state and unrecorded.exists():
            # Lost after the start, and before a word of it was kept.
            self._record.run(started_at=unrecorded.stat().st_mtime)
        running = self._record.state.get("running")
        if running is None:
            return
        files = self._files(self._record.restarts)
        ended = read_exit(files.exit)
        state = lost(running["startedAt"]) if ended is None else terminated_state(ended, files, self._container)
        self._record.end(state)
        self._context.changed()

    async def _back_off(self) -> bool:
        """Wait before a restart; return whether the pod is to end instead. The first restart comes at once."""
        self._crashes += 1
        if self._crashes == 1 or not self._context.node.restart_backoff_seconds:
            return False
        first = self._context.node.restart_backoff_seconds
        seconds = min(first * 2.0 ** (self._crashes - 2), LONGEST_BACKOFF_SECONDS)
        whole = f"{objects.name(self._context.pod)}_{objects.namespace(self._context.pod)}"
        pod = f"{whole}({objects.uid(self._context.pod)})"
        self._wait_for(
            "CrashLoopBackOff", f"back-off {seconds:.0f}s restarting failed container={self._name} pod={pod}"
        )
        message = f"Back-off restarting failed container {self._name} in pod {pod}"
        self._context.tell(kind="Warning", reason="BackOff", message=message)
        return await self._context.ending.pause(seconds)

    async def _run_once(self) -> None:
        image = find_image(self._container["image"], self._context.node.images)
        if image is None:
            await self._refuse_image()
            return
        async with self._context.node.gpus.lend(self._container) as device_env:
            number = self._record.next_run
            files = self._files(number)
            root_folder = self._context.folder / "roots" / self._name
            await asyncio.to_thread(shutil.rmtree, root_folder, ignore_errors=True)
            spec = await self._spec(image, files, device_env, root_folder)
            if spec is None:
                return
            self._files(number - 2).delete()
            started = time.monotonic()
            ended = await self._watch(spec)
            if time.monotonic() - started > BACKOFF_RESET_SECONDS:
                self._crashes = 0
            self._finish(ended, files)

    async def _refuse_image(self) -> None:
        image = self._container["image"]
        if not IMAGE_NAME.fullmatch(image):
            words = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": '
            await self._refuse_for_good("InspectFailed", "InvalidImageName", words + "invalid reference format")
            return
        if self._container.get("imagePullPolicy") == "Never":
            words = f'Container image "{image}" is not present with pull policy of Never'
            await self._refuse_for_good("ErrImageNeverPull", "ErrImageNeverPull", words)
            return
        message = explain_missing(image)
        self._context.tell(kind="Warning", reason="Failed", message=f"Failed to pull image: {message}")
        self._wait_for("ErrImagePull", message)
        if await self._context.ending.pause(PULL_RETRY_SECONDS):
            return
        self._wait_for("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {message}')
        self._context.tell(kind="Normal", reason="BackOff", message=f'Back-off pulling image "{image}"')
        await self._context.ending.asked.wait()

    async def _refuse_for_good(self, event: str, reason: str, message: str) -> None:
        self._context.tell(kind="Warning", reason=event, message=message)
        self._wait_for(reason, message)
        await self._context.ending.asked.wait()

    async def _spec(
        self, image: Image, files: RunFiles, device_env: Mapping[str, str], root_folder: Path
    ) -> Spec | None:
        """Return how to run, once all that the container refers to is there; None where the pod ends before."""
        while True:
            try:
                files.make()
                return await build_spec(
                    self._context, self._container, image, files, device_env=device_env, root_folder=root_folder
                )
            except (ContainerConfigError, OSError) as error:
                self._wait_for("CreateContainerConfigError", str(error))
                self._context.tell(kind="Warning", reason="Failed", message=f"Error: {error}")
            if await self._context.ending.pause(CONFIG_RETRY_SECONDS):
                return None

    async def _watch(self, spec: Spec) -> Exit | None:
        process = await ContainerProcess.start(spec, on_log_failure=self._tell_log_failure)
        ended = asyncio.ensure_future(process.wait())
        try:
            if process.started:
                self._record.run(started_at=time.time())
                self._context.changed()
                message = f"Started container {self._name}"
                self._context.tell(kind="Normal", reason="Started", message=message)
            await self._until(ended, self._context.ending.asked)
            if not ended.done():
                message = f"Stopping container {self._name}"
                self._context.tell(kind="Normal", reason="Killing", message=message)
                process.terminate()
                await self._until(ended, self._context.ending.overdue)
                process.kill()
            return await ended
        finally:
            if not ended.done():
                process.abandon()
                await asyncio.shield(ended)

    def _tell_log_failure(self, reason: str) -> None:
        message = (
            f"The log of container {self._name} cannot be written: {reason}. It goes on, and what it prints is lost "
            f"until {self._context.folder} can be written again"
        )
        self._context.tell(kind="Warning", reason="LogNotWritten", message=message)

    @staticmethod
    async def _until(ended: asyncio.Future[Exit | None], event: asyncio.Event) -> None:
        waiting = asyncio.ensure_future(event.wait())
        either: set[asyncio.Future[Any]] = {ended, waiting}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    def _finish(self, ended: Exit | None, files: RunFiles) -> None:
        if ended is not None and ended.start_error is not None:
            self._record.run(started_at=ended.started_at)
            message = f"Error: failed to start container {self._name}: {ended.start_error}"
            self._context.tell(kind="Warning", reason="Failed", message=message)
        if ended is None:
            # Somebody killed the supervisor, and with it the container.
            now = time.time()
            ended = Exit(code=137, started_at=now, finished_at=now)
        self._record.end(terminated_state(ended, files, self._container))
        self._context.changed()

    def _wait_for(self, reason: str, message: str) -> None:
        self._record.wait_for(reason, message)
        self._context.changed()

    def _files(self, run: int) -> RunFiles:
        return run_files(self._context.folder, self._name, run)
