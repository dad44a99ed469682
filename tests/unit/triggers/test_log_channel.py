"""A supervisor that is slow to read: nobody is held up by it, and what was told before an end is read before it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from podobjects import pod_object, terminated

from airflow_kubeflow_trainer.cluster.followers import Followers
from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.cluster.logs import LogFollower
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.exceptions import ClusterUnreachableError
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.triggers import log_channel
from airflow_kubeflow_trainer.triggers.task_state import TaskKey
from airflow_kubeflow_trainer.triggers.tasklog import TaskLogReporter
from airflow_kubeflow_trainer.triggers.trainjob import TrainJobTrigger, wait_for_event

LINES = [f"line {number}" for number in range(5_000)]


class Channel:
    """The triggerer's end: a write that would hold up the event loop is an error here."""

    def __init__(self, socket: socket.socket) -> None:
        self.fileno = socket.fileno
        self.write = socket.sendall

    def flush(self) -> None:
        pass


class LoggerFactory:
    """As Airflow's: `io` is where the loggers write to."""

    def __init__(self, io: Any) -> None:
        self.io = io

    def __call__(self, *_: Any) -> structlog.BytesLogger:
        return structlog.BytesLogger(self.io)


class Api:
    """A cluster whose pods have written all their lines at once."""

    def __init__(self, lines: list[str] = LINES) -> None:
        self._lines = lines

    @contextlib.asynccontextmanager
    async def stream_log(self, pod: str, **_: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"".join(b"2026-01-01T00:00:00Z %s\n" % line.encode() for line in self._lines)

        yield chunks()


@pytest.fixture
def supervisor() -> Iterator[socket.socket]:
    """Airflow's end of the channel, which it reads or does not read."""
    supervisor, triggerer = socket.socketpair()
    for end in (supervisor, triggerer):
        end.setblocking(False)
    before = structlog.get_config()
    with supervisor, triggerer:
        structlog.configure(
            processors=[structlog.processors.JSONRenderer(), lambda *call: call[-1].encode()],
            logger_factory=LoggerFactory(Channel(triggerer)),
            cache_logger_on_first_use=False,
        )
        yield supervisor
    structlog.configure(**before)


def read(supervisor: socket.socket) -> bytes:
    """Read all that is there."""
    found = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := supervisor.recv(2**16):
            found += chunk
    return found


async def read_while(supervisor: socket.socket, work: asyncio.Future[Any]) -> list[str]:
    """Read until some work is done; give the lines."""
    found = b""
    while not work.done():
        found += read(supervisor)
        await asyncio.sleep(0)
    await work
    return [json.loads(line)["event"] for line in (found + read(supervisor)).splitlines()]


async def until_told() -> None:
    """Wait until something is told, and give who told it some turns to go on."""
    while not log_channel.unread():
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)


def reporter() -> TaskLogReporter:
    return TaskLogReporter(structlog.get_logger(), name="job", namespace="default")


def follower(*, index: int = 0, lines: list[str] = LINES) -> LogFollower:
    """Who follows a pod that has ended."""
    to = reporter()
    made = LogFollower(Api(lines), job="node", index=index, emit=to.line, drain=to.drain, note=to.note)  # type: ignore[arg-type]
    made.observe(Pod.from_object(pod_object(index=index, phase="Succeeded", state=terminated(0))))
    made.finish()
    return made


async def test_many_lines_at_once_wait_until_there_is_room_for_them(supervisor: socket.socket) -> None:
    assert await read_while(supervisor, asyncio.ensure_future(follower().run())) == LINES


async def test_all_who_follow_share_the_room(supervisor: socket.socket) -> None:
    """Each with a line in its hands, and nobody who reads at first."""
    following = asyncio.gather(*(follower(index=index, lines=["x" * 500]).run() for index in range(500)))
    for _ in range(20):
        await asyncio.sleep(0)

    assert len(await read_while(supervisor, following)) == 500


async def test_the_last_words_of_many_wait_for_room_too(supervisor: socket.socket) -> None:
    to = reporter()
    telling = Followers(
        Api(),  # type: ignore[arg-type]
        trainer_job="node",
        log_nodes=(),
        emit=to.line,
        drain=to.drain,
        note=to.note,
        restarted=print,
    )
    words = [LogLine("pod", datetime.now(UTC), "x" * 3_000)] * 20
    for index in range(1, 9):
        telling.tell_last_words(Pod.from_object(pod_object(index=index, state=terminated(1))), words)

    told = await read_while(supervisor, asyncio.ensure_future(telling.tell_out()))

    assert len([text for text in told if text.endswith("xxx")]) == 160


async def test_a_trigger_ends_when_all_that_it_told_is_read(supervisor: socket.socket) -> None:
    structlog.get_logger().info("the last line")
    flushing = asyncio.create_task(log_channel.flush())
    await asyncio.sleep(0)

    assert not flushing.done()
    assert b"the last line" in read(supervisor)
    await flushing


async def test_the_end_of_a_trigger_comes_before_what_others_have_to_tell(supervisor: socket.socket) -> None:
    async def write_without_end() -> None:
        while True:
            await log_channel.drain()
            structlog.get_logger().info("x" * 500)

    writing = asyncio.create_task(write_without_end())
    while log_channel.unread() < log_channel.HIGH_WATER:
        await asyncio.sleep(0)
    flushing = asyncio.create_task(log_channel.flush())
    turns = 0
    while not flushing.done():
        turns += 1
        with contextlib.suppress(BlockingIOError):
            supervisor.recv(4096)
        await asyncio.sleep(log_channel.POLL_SECONDS / 4)
    writing.cancel()

    # As many as it takes to read what was there before, and some for the polls.
    assert turns < 40


async def test_an_event_is_fired_when_all_that_was_told_is_read(supervisor: socket.socket) -> None:
    class Hook:
        given_namespace = "default"

        def share(self) -> Any:
            raise ClusterUnreachableError("no such host")

    task = TaskKey(dag_id="d", run_id="r", task_id="t", map_index=-1)
    waiting = asyncio.create_task(
        wait_for_event(Hook(), WaitSpec(name="job"), task, None, structlog.get_logger())  # type: ignore[arg-type]
    )
    await until_told()

    assert not waiting.done()
    assert b"no such host" in read(supervisor)
    assert (await waiting)["cause"] == Cause.UNREACHABLE


async def test_a_trigger_that_is_killed_ends_when_its_words_about_it_are_read(supervisor: socket.socket) -> None:
    task = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
    trigger = TrainJobTrigger(cluster={}, wait=WaitSpec(name="job").to_dict(), task=task)
    trigger._log = structlog.get_logger()
    killing = asyncio.create_task(trigger.on_kill())
    await until_told()

    assert not killing.done()
    assert b"TrainJob job is kept" in read(supervisor)
    await killing


async def test_a_channel_that_others_never_leave_empty_is_not_waited_for_without_end(
    supervisor: socket.socket,
) -> None:
    structlog.get_logger().info("another's line")

    await log_channel.flush(0.0)

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
