"""The TrainJob controller of the local cluster: what Trainer, JobSet and the Job controller do, in one."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Protocol

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import PODS, TRAINJOBS
from airflow_kubeflow_trainer.cluster.watch import Watch
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError
from airflow_kubeflow_trainer.local.controller import runtimes
from airflow_kubeflow_trainer.local.controller.garbage import GarbageCollector
from airflow_kubeflow_trainer.local.controller.queue import WorkQueue
from airflow_kubeflow_trainer.local.controller.reconciler import Key, Reconciler
from airflow_kubeflow_trainer.local.trainer.constants import JOBSET_NAME_LABEL

__all__ = ["run_controller"]

WORKERS = 4
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.2, 30.0

log = logging.getLogger(__name__)


class Clock(Protocol):
    """Tells the time; the module :mod:`time` is one."""

    def time(self) -> float:
        """Return seconds since the epoch."""
        ...


async def run_controller(client: Client, *, clock: Clock = time) -> None:
    """Install the stock runtimes and bring TrainJobs on, until cancelled."""
    await runtimes.install(client)
    await GarbageCollector(client).collect()
    reconciler = Reconciler(client, now=clock.time)
    queue: WorkQueue[Key] = WorkQueue()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_follow_trainjobs(client, queue), name="controller-trainjobs")
        tasks.create_task(_follow_pods(client, queue), name="controller-pods")
        for i in range(WORKERS):
            tasks.create_task(_work(reconciler, queue), name=f"controller-worker-{i}")


async def _follow_trainjobs(client: Client, queue: WorkQueue[Key]) -> None:
    async for event in Watch(client, TRAINJOBS).events():
        if event.is_change:
            queue.add(_key(event.object))


async def _follow_pods(client: Client, queue: WorkQueue[Key]) -> None:
    async for event in Watch(client, PODS, label_selector=JOBSET_NAME_LABEL).events():
        if event.is_change:
            metadata = event.object["metadata"]
            queue.add((metadata["namespace"], metadata["labels"][JOBSET_NAME_LABEL]))


def _key(trainjob: dict[str, Any]) -> Key:
    return trainjob["metadata"]["namespace"], trainjob["metadata"]["name"]


async def _work(reconciler: Reconciler, queue: WorkQueue[Key]) -> None:
    delays: dict[Key, float] = {}
    while True:
        key = await queue.get()
        queue.forget(key)
        try:
            again = await reconciler.reconcile(key)
            delays.pop(key, None)
        except (ApiError, ClusterUnreachableError) as error:
            # Somebody changed an object in between, or the API server is going: the next look sees what is there.
            again = delays[key] = min(delays.get(key, FIRST_RETRY_SECONDS / 2) * 2, LAST_RETRY_SECONDS)
            log.warning("TrainJob %s/%s: looking again in %.1f s: %s", *key, again, error)
        except Exception:
            # One TrainJob that we stumble over must not stop the others.
            again = LAST_RETRY_SECONDS
            log.exception("TrainJob %s/%s: looking again in %.0f s", *key, again)
        finally:
            queue.done(key)
        if again is not None:
            queue.add_later(key, again)
