"""Trainer dies while a TrainJob runs: the training goes on, and once Trainer is back all is as it ought to be."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from airflow_kubeflow_trainer.local.controller import run_controller
from airflow_kubeflow_trainer.local.kubelet import KubeletOptions, run_kubelet
from airflow_kubeflow_trainer.local.pki import ensure_pki
from tests.control_plane.plane import ControlPlane
from tests.control_plane.telling import DEADLINE_SECONDS, FAIL, LISTENS, SUCCEED, Object, Tale, Teller, over, running
from tests.local.api.harness import Server

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(240)]

WAITS = {"command": ["sh", "-c", LISTENS]}


class Parts:
    """The local cluster's three parts in the test's own event loop, where one can die alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = Server(directory, ensure_pki(directory / "pki"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Teller]:
        await self._server.start()
        ready = asyncio.Event()
        options = KubeletOptions(directory=self._directory, restart_backoff_seconds=0)
        kubelet = asyncio.create_task(run_kubelet(self._server.client, options, ready=ready))
        self._controller = asyncio.create_task(run_controller(self._server.client))
        try:
            await ready.wait()
            yield Teller(self._server.client)
        finally:
            await _end(self._controller)
            await _end(kubelet)
            await self._server.stop()

    @asynccontextmanager
    async def without_controller(self) -> AsyncIterator[None]:
        await _end(self._controller)
        try:
            yield
        finally:
            self._controller = asyncio.create_task(run_controller(self._server.client))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


class Mortal(Tale):
    """A story in which Trainer may be gone for a while."""

    def __init__(self, plane: ControlPlane, parts: Parts, *tellers: Teller) -> None:
        super().__init__(*tellers)
        self._plane, self._parts = plane, parts

    @asynccontextmanager
    async def trainer_gone(self) -> AsyncIterator[None]:
        async with self._plane.without_trainer(), self._parts.without_controller():
            yield


@pytest.fixture
async def tale(plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Mortal]:
    parts = Parts(tmp_path)
    async with plane.client() as client, parts.running() as ours:
        real = Teller(client)
        async with real.telling(), ours.telling():
            yield Mortal(plane, parts, real, ours)


async def the_training_ends(tale: Mortal) -> None:
    await tale.create({**WAITS, "numNodes": 2})
    await tale.comes_to(running(nodes=2))
    async with tale.trainer_gone():
        await tale.signal(SUCCEED)
        # Nobody says so yet.
        await tale.comes_to(lambda seen: are(seen, "Succeeded", nodes=2) and seen["jobs"]["node"]["ready"] == 1)
    await tale.comes_to(over("Complete"))


async def a_process_dies_and_is_started_again(tale: Mortal) -> None:
    await tale.create(WAITS)
    await tale.comes_to(running())
    async with tale.trainer_gone():
        await tale.signal(signal.SIGKILL)
        await tale.comes_to(running(restarts=1))
    await tale.signal(SUCCEED)
    await tale.comes_to(over("Complete"))


async def the_training_fails(tale: Mortal) -> None:
    await tale.create(WAITS)
    await tale.comes_to(running())
    async with tale.trainer_gone():
        for restarts in range(1, 6):
            await tale.signal(FAIL)
            await tale.comes_to(running(restarts=restarts))
        await tale.signal(FAIL)
    await tale.comes_to(over("Failed", pods=False))


async def the_trainjob_is_deleted(tale: Mortal) -> None:
    await tale.create(WAITS)
    await tale.comes_to(running())
    async with tale.trainer_gone():
        await tale.delete()
    await tale.comes_to(lambda seen: not seen["exists"] and not seen["pods"])


async def the_deadline_passes(tale: Mortal) -> None:
    await tale.create(WAITS, activeDeadlineSeconds=DEADLINE_SECONDS)
    await tale.comes_to(running())
    async with tale.trainer_gone():
        await asyncio.sleep(DEADLINE_SECONDS)
        await tale.comes_to(running())
    await tale.runs_out_of_time()


def are(seen: Object, phase: str, *, nodes: int) -> bool:
    return seen["pods"] == [("node", index, phase, 0) for index in range(nodes)]


Story = Callable[[Mortal], Awaitable[None]]
STORIES: list[Story] = [
    the_training_ends,
    a_process_dies_and_is_started_again,
    the_training_fails,
    the_trainjob_is_deleted,
    the_deadline_passes,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.replace("_", " "))
async def test_a_story_is_the_same_on_both(tale: Mortal, story: Story) -> None:
    await story(tale)

    tale.ends_alike()
