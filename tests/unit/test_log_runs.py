"""A container's log through its restarts: each line is told under the run that wrote it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from podobjects import pod_object, running, terminated

from airflow_kubeflow_trainer.cluster import logs
from airflow_kubeflow_trainer.cluster.logs import LogFollower
from airflow_kubeflow_trainer.exceptions import ApiError
from airflow_kubeflow_trainer.trainjob.pods import Pod


class Restarting:
    """A container that fails and is started again; of each run there is a line, and another one where it has ended."""

    def __init__(self) -> None:
        self.restarts = 0
        self.waits = False
        self.told: list[str] = []
        self.times: dict[str, datetime | None] = {}
        self._cut = asyncio.Event()
        self._follower = LogFollower(
            self,  # type: ignore[arg-type]
            job="node",
            emit=lambda line: self._tell(line.text, line.timestamp),
            drain=lambda: asyncio.sleep(0),
            note=self._tell,
        )
        self._following = asyncio.create_task(self._follower.run())

    def be_seen(self) -> None:
        """Let the watch tell how it is."""
        state = {"waiting": {"reason": "CrashLoopBackOff"}} if self.waits else running()
        last = terminated(1) if self.restarts or self.waits else None
        self._follower.observe(Pod.from_object(pod_object(state=state, last_state=last, restarts=self.restarts)))

    def cut(self) -> None:
        """Break off the connection that gives its log."""
        self._cut.set()

    async def has_told(self, *lines: str) -> None:
        """Wait until this is all that has been told."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                while self.told != [*lines]:
                    await asyncio.sleep(0.01)
        assert self.told == [*lines]

    @contextlib.asynccontextmanager
    async def stream_log(self, pod: str, *, previous: bool, **options: Any) -> AsyncIterator[Any]:
        yield self._log(self.restarts - (previous and not self.waits))

    async def _log(self, run: int) -> AsyncIterator[bytes]:
        yield f"2026-01-01T00:00:{2 * run:02}Z run {run}\n".encode()
        if run == self.restarts and not self.waits:
            await self._cut.wait()
            self._cut.clear()
            raise ApiError(503, "ServiceUnavailable", "the kubelet is gone")
        yield f"2026-01-01T00:00:{2 * run + 1:02}Z end of run {run}\n".encode()

    def _tell(self, text: str, at: datetime | None) -> None:
        self.told.append(text.removeprefix("Pod job-node-0-0-abcde was "))
        self.times[self.told[-1]] = at


def restarted(number: int) -> str:
    return f"restarted in place (restart {number})"


LOST = "What pod job-node-0-0-abcde wrote last before its restart 1 is not kept"


@pytest.mark.parametrize(
    ("restarts", "waits", "told"),
    [
        pytest.param(1, False, ["end of run 0", restarted(1), "run 1"], id="once"),
        pytest.param(
            2, False, [LOST, restarted(1), "run 1", "end of run 1", restarted(2), "run 2"], id="twice, and is lost"
        ),
        pytest.param(1, True, [LOST, restarted(1), "run 1", "end of run 1"], id="and fails, and is lost"),
    ],
)
async def test_what_a_container_wrote_before_it_was_restarted_is_told_as_its_own(
    monkeypatch: pytest.MonkeyPatch, restarts: int, waits: bool, told: list[str]
) -> None:
    monkeypatch.setattr(logs, "RECONNECT_SECONDS", 0.0)
    container = Restarting()
    container.be_seen()
    await container.has_told("run 0")

    container.restarts, container.waits = restarts, waits
    container.be_seen()
    container.cut()

    await container.has_told("run 0", *told)
    # Each remark belongs before a line, whenever it is told.
    assert None not in container.times.values()


async def test_what_waits_for_another_restart_is_told_as_the_run_that_it_is() -> None:
    container = Restarting()
    container.restarts, container.waits = 3, True

    container.be_seen()

    await container.has_told(restarted(3), "run 3", "end of run 3")
    container.restarts, container.waits = 4, False
    container.be_seen()
    await container.has_told(restarted(3), "run 3", "end of run 3", restarted(4), "run 4")


async def test_a_restart_that_is_heard_of_late_is_told_while_the_new_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "RECONNECT_SECONDS", 0.0)
    container = Restarting()
    container.be_seen()
    await container.has_told("run 0")
    container.restarts = 1
    container.cut()
    await container.has_told("run 0", "run 1")

    container.be_seen()

    await container.has_told("run 0", "run 1", restarted(1))
    mark, line = (container.times[text] for text in (restarted(1), "run 1"))
    assert mark is not None
    assert line is not None
    # As Airflow sorts them.
    assert int(mark.timestamp() * 1000) < int(line.timestamp() * 1000)
