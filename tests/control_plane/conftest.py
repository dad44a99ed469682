"""The real control plane, once for all tests of a process, and this machine as its node."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ConflictError
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.control_plane.access import documented_token
from tests.control_plane.node import kubelet
from tests.control_plane.plane import ControlPlane

# So that what they expect is told with both sides, as in a test.
pytest.register_assert_rewrite(*(f"tests.control_plane.{module}" for module in ("kubectl", "making", "telling")))

LOGS = pytest.StashKey[Path]()


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        pytestconfig.stash[LOGS] = plane.logs
        yield plane


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say with what fails where the logs are."""
    report = yield
    if report.failed and LOGS in item.config.stash:
        logs = "\n".join(str(log) for log in sorted(item.config.stash[LOGS].iterdir()))
        report.sections.append(("The control plane's logs", logs))
    return report


@pytest.fixture(scope="session")
def node(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """This machine as the control plane's node; gives the folder of its pods and volumes."""
    directory = tmp_path_factory.mktemp("node")
    with kubelet(plane, directory):
        yield directory


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{uuid4().hex[:8]}"
    plane.call("create", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    plane.call("delete", f"/api/v1/namespaces/{name}")


@pytest.fixture
async def api(plane: ControlPlane, namespace: str) -> AsyncIterator[TrainJobApi]:
    """The way to the namespace's TrainJobs of somebody who may do what the documentation says, and nothing else."""
    async with plane.client(documented_token(plane, namespace)) as client:
        yield TrainJobApi(client, namespace=namespace)


@pytest.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[Client]:
    """The administrator's way to everything."""
    async with plane.client() as client:
        yield client


@pytest.fixture(scope="session")
def embedded(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """The local cluster, with the runtimes that Trainer ships and the local cluster leaves out."""
    with LocalCluster(tmp_path_factory.mktemp("embedded"), restart_backoff_seconds=0) as cluster:
        asyncio.run(copy_all_runtimes(plane, cluster))
        yield cluster


async def copy_all_runtimes(plane: ControlPlane, cluster: LocalCluster) -> None:
    async with plane.client() as real, Client(await from_kubeconfig(cluster.kubeconfig)) as ours:
        await copy_runtimes(real, ours)


async def copy_runtimes(real: Client, ours: Client) -> None:
    """Give our API server what Trainer ships and the local cluster leaves out."""
    for runtime in (await real.get(CLUSTER_TRAINING_RUNTIMES.path()))["items"]:
        metadata = {key: runtime["metadata"][key] for key in ("name", "labels") if key in runtime["metadata"]}
        with contextlib.suppress(ConflictError):
            body = {
                **runtime,
                "apiVersion": CLUSTER_TRAINING_RUNTIMES.api_version,
                "kind": "ClusterTrainingRuntime",
                "metadata": metadata,
            }
            await ours.create(CLUSTER_TRAINING_RUNTIMES.path(), body)


@pytest.fixture
async def both(plane: ControlPlane, embedded: LocalCluster) -> AsyncIterator[tuple[Client, Client]]:
    async with plane.client() as real, Client(await from_kubeconfig(embedded.kubeconfig)) as ours:
        yield real, ours
