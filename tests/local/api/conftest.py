"""API servers for tests; see harness.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from airflow_kubeflow_trainer.local.controller import runtimes
from airflow_kubeflow_trainer.local.pki import Pki, ensure_pki
from tests.local.api.harness import Objects, Server


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return ensure_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def server(tmp_path: Path, pki: Pki) -> AsyncIterator[Server]:
    running = Server(tmp_path, pki)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def trainer(server: Server) -> Server:
    """A server with the stock runtimes."""
    await runtimes.install(server.client)
    return server


@pytest.fixture(scope="session")
def new_objects(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Objects]:
    """Makes an empty registry; as often as a property test needs one."""
    return lambda **options: Objects(tmp_path_factory.mktemp("objects") / "state.db", **options)
