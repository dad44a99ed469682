"""The real control plane, once for all tests of this folder, and this machine as its node."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from tests.control_plane.plane import ControlPlane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane
    if request.session.testsfailed:
        terminal = request.config.pluginmanager.get_plugin("terminalreporter")
        assert terminal is not None
        terminal.write_line(f"\nThe control plane's logs are in {plane.logs}")


@pytest.fixture(scope="session")
def node(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """This machine as the control plane's node; gives the folder of its pods and volumes."""
    directory = tmp_path_factory.mktemp("node")
    reading, writing = os.pipe()
    with (plane.logs / "kubelet.log").open("ab") as log, os.fdopen(reading) as ready:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "airflow_kubeflow_trainer.local", "kubelet"),
                *("--kubeconfig", str(plane.kubeconfig), "--dir", str(directory), "--restart-backoff-seconds", "0"),
                *("--ready-fd", str(writing), "--end-with-stdin"),
            ],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            start_new_session=True,
        )
        os.close(writing)
        assert ready.read() == plane.server, (plane.logs / "kubelet.log").read_text()
    yield directory
    process.terminate()
    process.wait(30)


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{uuid4().hex[:8]}"
    plane.call("create", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    plane.call("delete", f"/api/v1/namespaces/{name}")


@pytest.fixture
async def api(plane: ControlPlane, namespace: str) -> AsyncIterator[TrainJobApi]:
    """The administrator's way to the TrainJobs of the test's namespace."""
    async with plane.client() as client:
        yield TrainJobApi(client, namespace=namespace)
