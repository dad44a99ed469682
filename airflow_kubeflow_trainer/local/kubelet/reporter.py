"""Bring a pod's status to the API, again and again until it is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from airflow_kubeflow_trainer.cluster.client import STRATEGIC_MERGE_PATCH, Client
from airflow_kubeflow_trainer.cluster.resources import PODS
from airflow_kubeflow_trainer.exceptions import ConflictError, KubeflowTrainerError, NotFoundError
from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.objects import Pod

log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 0.2, 5.0


class StatusReporter:
    """Patches one pod's status whenever it has changed. Changes that come while it writes are folded into one."""

    def __init__(self, client: Client, pod: Pod, status: Callable[[], Mapping[str, Any]]) -> None:
        self._client = client
        self._uid = objects.uid(pod)
        self._object_path = PODS.path(namespace=objects.namespace(pod), name=objects.name(pod))
        self._path = self._object_path + "/status"
        self._status = status
        self._reported: Mapping[str, Any] | None = None
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def changed(self) -> None:
        """Say that there may be something new to report."""
        self._changed.set()
        self._idle.clear()

    async def settled(self) -> None:
        """Wait until all there is to say has been said."""
        await self._idle.wait()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            status = self._status()
            if status != self._reported:
                await self._report(status)
                self._reported = status
            if not self._changed.is_set():
                self._idle.set()

    async def _report(self, status: Mapping[str, Any]) -> None:
        delay = FIRST_DELAY_SECONDS
        while True:
            try:
                body = {"metadata": {"uid": self._uid}, "status": status}
                await self._client.patch(self._path, body, content_type=STRATEGIC_MERGE_PATCH)
                return
            except NotFoundError:
                return
            except ConflictError:
                if await self._is_another():
                    return
            except KubeflowTrainerError as error:
                log.info("The status of %s is reported again in %.1f s: %s", self._path, delay, error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_DELAY_SECONDS)

    async def _is_another(self) -> bool:
        """Whether the pod is gone and another one has its name."""
        try:
            return bool((await self._client.get(self._object_path))["metadata"]["uid"] != self._uid)
        except NotFoundError:
            return True
        except KubeflowTrainerError:
            return False
