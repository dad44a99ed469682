"""A supervisor that is slow to read: nobody is held up by it, and what was told before an end is read before it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog
from podobjects import pod_object, terminated

from airflow_kubeflow_trainer.cluster.logs import LogFollower
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.triggers import log_channel
from airflow_kubeflow_trainer.triggers.tasklog import TaskLogReporter

LINES = [f"line {number}" for number in range(5_000)]


class LoggerFactory:
    """As Airflow's: `io` is where the loggers write to."""

    def __init__(self, io: Any) -> None:
        self.io = io

    def __call__(self, *_: Any) -> structlog.BytesLogger:
        return structlog.BytesLogger(self.io)


class Api:
    """A cluster whose only pod has written all its lines at once."""

    @contextlib.asynccontextmanager
    async def stream_log(self, pod: str, **_: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"".join(b"2026-01-01T00:00:00Z %s\n" % line.encode() for line in LINES)

        yield chunks()


@pytest.fixture
def supervisor() -> Iterator[socket.socket]:
    """Airflow's end of the channel, which it reads or does not read; a write to the full channel is an error here."""
    supervisor, triggerer = socket.socketpair()
    for end in (supervisor, triggerer):
        end.setblocking(False)
    before = structlog.get_config()
    with supervisor, triggerer, triggerer.makefile("wb", buffering=0) as stream:
        structlog.configure(
            processors=[structlog.processors.JSONRenderer(), lambda *call: call[-1].encode()],
            logger_factory=LoggerFactory(stream),
            cache_logger_on_first_use=False,
        )
        yield supervisor
    structlog.configure(**before)


def read(supervisor: socket.socket) -> list[bytes]:
    """Read all that is there."""
    found = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := supervisor.recv(2**16):
            found += chunk
    return found.splitlines()


async def test_many_lines_at_once_wait_until_there_is_room_for_them(supervisor: socket.socket) -> None:
    reporter = TaskLogReporter(structlog.get_logger(), name="job", namespace="default")
    follower = LogFollower(Api(), job="node", emit=reporter.line, drain=reporter.drain, note=reporter.note)  # type: ignore[arg-type]
    follower.observe(Pod.from_object(pod_object(phase="Succeeded", state=terminated(0))))
    follower.finish()

    following = asyncio.create_task(follower.run())
    told = []
    while not following.done():
        told += read(supervisor)
        await asyncio.sleep(0)
    await following
    told += read(supervisor)

    assert [line for line in LINES if f'"{line}"'.encode() not in b"\n".join(told)] == []
    assert len(told) == len(LINES)


async def test_a_trigger_ends_when_all_that_it_told_is_read(supervisor: socket.socket) -> None:
    structlog.get_logger().info("the last line")
    flushing = asyncio.create_task(log_channel.flush())
    await asyncio.sleep(0)

    assert not flushing.done()
    assert b"the last line" in read(supervisor)[0]
    await flushing


async def test_a_channel_that_others_never_leave_empty_is_not_waited_for_without_end(
    supervisor: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_channel, "FLUSH_SECONDS", 0.0)
    structlog.get_logger().info("another's line")

    await log_channel.flush()

    assert log_channel.unread() > 0


async def test_what_is_no_socket_is_never_waited_for(tmp_path: Any) -> None:
    before = structlog.get_config()
    with (tmp_path / "log").open("wb") as file:
        structlog.configure(logger_factory=LoggerFactory(file))
        try:
            file.write(b"something")
            assert log_channel.unread() == 0
        finally:
            structlog.configure(**before)
