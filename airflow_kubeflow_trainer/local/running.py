"""The three parts of a cluster in one event loop, from start to end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.local.admission import admit
from airflow_kubeflow_trainer.local.announcing import announce_trainer
from airflow_kubeflow_trainer.local.api import ApiServer
from airflow_kubeflow_trainer.local.controller import run_controller, runtimes
from airflow_kubeflow_trainer.local.folder import ClusterFolder
from airflow_kubeflow_trainer.local.kubeconfig import write_kubeconfig
from airflow_kubeflow_trainer.local.kubelet import Isolation, KubeletOptions, run_kubelet
from airflow_kubeflow_trainer.local.pki import ensure_pki

FIRST_RESTART_SECONDS, LAST_RESTART_SECONDS = 1.0, 30.0
_HEALTHY_SECONDS = 60.0
START_SECONDS = 60.0
"""How long the kubelet may take until its node is ready."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """How a cluster is to run."""

    directory: Path
    port: int = 0
    """0 takes the port that the folder's cluster had before, else a free one."""
    images: Mapping[str, Path] = field(default_factory=dict)
    """Python environments by the pattern of the images that they stand for."""
    image_env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that all images have, HF_ENDPOINT for example."""
    capacity: Mapping[str, str] = field(default_factory=dict)
    """Overrides of the node's capacity, ``nvidia.com/gpu`` for example."""
    restart_backoff_seconds: float = 10.0
    """Wait before a container's second restart; it doubles up to 300 s."""
    isolation: Isolation | None = None
    """How containers are kept apart; None takes the best that this machine allows."""


@dataclass(frozen=True)
class RunningCluster:
    """A cluster that is ready for TrainJobs."""

    server: str
    folder: ClusterFolder


@asynccontextmanager
async def running_cluster(options: ClusterOptions) -> AsyncIterator[RunningCluster]:
    """Run a cluster while the context lasts. The folder's lock is the caller's.

    :raises OSError: the port is taken.
    """
    folder = ClusterFolder(options.directory)
    pki, token = ensure_pki(folder.pki), folder.token()
    api = ApiServer(database=folder.database, token=token, pki=pki, admit=admit)
    async with api.running(port=options.port, preferred_port=folder.last_port()) as server:
        folder.write_cluster(server=server, port=int(server.rpartition(":")[2]))
        write_kubeconfig(folder.kubeconfig, server=server, ca_file=pki.ca_certificate, token=token)
        credentials = Credentials.from_token(server=server, ca_file=pki.ca_certificate, token=token)
        async with Client(credentials) as client, _parts(client, options, pki.ca_certificate):
            yield RunningCluster(server, folder)


@asynccontextmanager
async def _parts(client: Client, options: ClusterOptions, client_ca_file: Path) -> AsyncIterator[None]:
    """Run the controller and the kubelet; returns when TrainJobs find their runtimes and pods their node."""
    node_ready = asyncio.Event()
    kubelet = KubeletOptions(
        directory=options.directory,
        images=options.images,
        image_env=options.image_env,
        capacity=options.capacity,
        restart_backoff_seconds=options.restart_backoff_seconds,
        client_ca_file=client_ca_file,
        isolation=options.isolation,
    )
    await runtimes.install(client)
    await announce_trainer(client)
    tasks = [
        asyncio.create_task(keep_running("controller", lambda: run_controller(client))),
        asyncio.create_task(keep_running("kubelet", lambda: run_kubelet(client, kubelet, ready=node_ready))),
    ]
    try:
        await _wait(node_ready)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wait(ready: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            await ready.wait()
    except TimeoutError:
        raise TimeoutError(f"the kubelet was not ready within {START_SECONDS:.0f} s; the log says why") from None


async def keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a part of the cluster for ever: one that dies is told of in the log, and started again."""
    loop = asyncio.get_running_loop()
    delay = FIRST_RESTART_SECONDS
    while True:
        began = loop.time()
        try:
            await run()
            log.error("The %s has ended, though nobody asked it to; it starts again in %.0f s", name, delay)
        except Exception:
            log.exception("The %s has died; it starts again in %.0f s", name, delay)
        await asyncio.sleep(delay)
        healthy = loop.time() - began > _HEALTHY_SECONDS
        delay = FIRST_RESTART_SECONDS if healthy else min(delay * 2, LAST_RESTART_SECONDS)
