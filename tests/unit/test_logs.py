"""Lines of a container's log: read once, folded, bounded."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podobjects import pod_object, terminated

from airflow_kubeflow_trainer.cluster import followers, logs
from airflow_kubeflow_trainer.cluster.log_lines import MAX_LINE, LineReader, LogLine, fold
from airflow_kubeflow_trainer.cluster.logs import LogFollower
from airflow_kubeflow_trainer.cluster.patience import LAST_DELAY_SECONDS
from airflow_kubeflow_trainer.cluster.watch import lines
from airflow_kubeflow_trainer.exceptions import ApiError
from airflow_kubeflow_trainer.trainjob.pods import Pod


async def _chunks(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@given(content=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=8))
async def test_lines_do_not_depend_on_how_the_network_cuts_them(content: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    parts = [content[start:end] for start, end in itertools.pairwise(edges)]

    read = [line async for line in lines(_chunks(parts))]

    assert b"\n".join(read) == content.removesuffix(b"\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Step 1 | loss:3.2", "Step 1 | loss:3.2", id="a plain line"),
        pytest.param("  0%|  | 0/25\r  4%|# | 1/25\r  8%|##| 2/25", "  8%|##| 2/25", id="a progress bar's last state"),
        pytest.param("100%|##| 25/25\r", "100%|##| 25/25", id="a bar that ends with a return"),
        pytest.param("\r\r", "", id="nothing to see"),
    ],
)
def test_a_progress_bar_is_folded_to_what_stands_there_at_last(text: str, shown: str) -> None:
    assert fold(text) == shown


def test_a_very_long_line_is_cut_with_a_mark() -> None:
    assert fold("x" * (MAX_LINE + 7)).endswith("x ... [7 more characters]")


def test_a_reconnect_repeats_no_line_and_loses_none() -> None:
    reader = LineReader("pod")
    first = [b"2026-01-01T00:00:01.1Z a", b"2026-01-01T00:00:02.2Z b", b"2026-01-01T00:00:02.2Z b"]
    # sinceTime has whole seconds: the server sends some lines again, then goes on within the same instant.
    again = [*first[1:], b"2026-01-01T00:00:02.2Z c", b"2026-01-01T00:00:03.3Z d"]

    reader.reconnected()
    texts = [line.text for raw in first if (line := reader.read(raw))]
    reader.reconnected()
    texts += [line.text for raw in again if (line := reader.read(raw))]

    assert texts == ["a", "b", "b", "c", "d"]


def test_lines_that_are_a_little_out_of_order_are_told_all_the_same() -> None:
    reader = LineReader("pod")
    raw = [
        b"2026-01-01T00:00:02.000000200Z b",
        b"2026-01-01T00:00:02.000000100Z a",
        b"2026-01-01T02:30:00.5+02:00 c",
        b"2026-01-01T01:30:01.5+01:00 d",
    ]

    assert [line.text for text in raw if (line := reader.read(text))] == ["b", "a", "c", "d"]


def test_a_line_without_a_timestamp_is_told_all_the_same() -> None:
    reader = LineReader("pod")
    raw = [b"2026-01-01T00:00:01.1Z a", b"failed to read the log: no such file", b"2026-01-01T00:00:02.1Z b"]

    texts = [line.text for text in raw if (line := reader.read(text))]

    assert texts == ["a", "failed to read the log: no such file", "b"]


def test_a_line_keeps_the_time_at_which_the_container_wrote_it() -> None:
    line = LineReader("pod").read(b"2026-01-01T10:20:30.123456789Z hello world")

    assert line is not None
    assert (line.text, line.timestamp.isoformat()) == ("hello world", "2026-01-01T10:20:30.123456+00:00")


GIGABYTE, CHUNK = 2**30, 2**20


async def drain() -> None:
    """Take another line at once."""


class Stream:
    """A pod's log that has so many lines, and then an end, or none."""

    def __init__(self, lines: int, *, ends: bool) -> None:
        self._lines = lines
        self._ends = ends

    @contextlib.asynccontextmanager
    async def stream_log(self, pod: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"2026-01-01T00:00:00Z x\n" * self._lines
            if not self._ends:
                await asyncio.Event().wait()

        yield chunks()


def following(
    api: Any, seen: list[LogLine], noted: list[str], *, drain: Callable[[], Awaitable[None]]
) -> followers.Followers:
    """Follow the log of rank 0, and keep what is told."""
    return followers.Followers(
        api,
        trainer_job="node",
        log_nodes=(),
        emit=seen.append,
        drain=drain,
        note=lambda text, at: noted.append(text),
        restarted=print,
    )


async def test_a_pod_that_was_last_seen_running_is_asked_once_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "RECONNECT_SECONDS", 0.0)
    told: list[LogLine] = []
    follower = LogFollower(Stream(3, ends=True), job="node", emit=told.append, drain=drain, note=print)  # type: ignore[arg-type]
    follower.observe(Pod.from_object(pod_object(state={"running": {}})))
    follower.finish()

    await follower.run()

    assert len(told) == 3


@pytest.mark.parametrize(
    ("stream", "silent", "longest", "told", "notes"),
    [
        pytest.param(Stream(30, ends=True), 1.0, 100.0, 30, [], id="slower than the silence that is borne"),
        pytest.param(Stream(5, ends=True), 0.01, 100.0, 5, [], id="held up by who takes them"),
        pytest.param(
            Stream(1, ends=False), 0.2, 100.0, 1, ["The log was not read to its end: no line came for 0.4 s"], id="none"
        ),
        pytest.param(
            Stream(10**6, ends=True), 0.2, 0.5, ..., ["The log was not read to its end: it took over 0.5 s"], id="long"
        ),
    ],
)
async def test_the_end_of_a_log_is_waited_for_as_long_as_lines_come_and_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, stream: Stream, silent: float, longest: float, told: Any, notes: list[str]
) -> None:
    monkeypatch.setattr(followers, "SILENT_SECONDS", silent)
    monkeypatch.setattr(followers, "LONGEST_SECONDS", longest)
    seen: list[LogLine] = []
    noted: list[str] = []
    reading = following(stream, seen, noted, drain=lambda: asyncio.sleep(0.05))
    reading.observe(Pod.from_object(pod_object(phase="Succeeded", state=terminated(0))))

    await reading.read_out()
    await reading.close()

    assert noted == notes
    assert told in (..., len(seen))


async def test_a_pod_that_is_deleted_while_its_log_is_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FORGET_SECONDS", 0.0)
    read, noted = asyncio.Event(), []
    follower = LogFollower(
        Stream(1, ends=False),  # type: ignore[arg-type]
        job="node",
        emit=lambda line: read.set(),
        drain=drain,
        note=lambda text, at: noted.append(text),
    )
    pod = Pod.from_object(pod_object(state={"running": {}}))
    follower.observe(pod)
    following = asyncio.create_task(follower.run())
    await read.wait()
    follower.forget(pod)
    follower.finish()
    await following

    assert noted == [f"Pod {pod.name} was deleted while its log was read, whose end may be missing"]


class Answers:
    """A pod's log that is asked for again and again; each time there is an error, or some lines and then an end."""

    def __init__(self, *answers: Exception | bytes) -> None:
        self._answers = list(answers)
        self.asked_since: list[str | None] = []

    @contextlib.asynccontextmanager
    async def stream_log(self, pod: str, *, since_time: str | None, **options: Any) -> AsyncIterator[Any]:
        self.asked_since.append(since_time)
        answer = self._answers.pop(0) if self._answers else Enough()
        if isinstance(answer, Exception):
            raise answer
        yield _chunks([answer])


class Enough(Exception):  # noqa: N818
    """A test has seen what it wanted to see."""


async def naps_of(monkeypatch: pytest.MonkeyPatch, *answers: Exception | bytes) -> list[float]:
    """Follow the log of a container that runs, and give how long was waited between two questions."""
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", nap)
    follower = LogFollower(Answers(*answers), job="node", emit=print, drain=drain, note=print)  # type: ignore[arg-type]
    follower.observe(Pod.from_object(pod_object(state={"running": {}})))
    follower.finish()
    await follower.run()
    return naps


LINE = b"2026-01-01T00:00:00Z x\n"
OUT_OF_ORDER = ApiError(503, "ServiceUnavailable", "the kubelet is gone")


async def test_a_log_that_cannot_be_had_is_asked_for_ever_less_often_until_a_line_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    naps, others = [await naps_of(monkeypatch, *[OUT_OF_ORDER] * 8, LINE, *[OUT_OF_ORDER] * 3) for _ in range(2)]

    assert len(naps) == 12
    assert naps[0] <= 1.5 * logs.RECONNECT_SECONDS
    assert naps[7] >= LAST_DELAY_SECONDS / 2
    assert naps[8] <= 1.5 * logs.RECONNECT_SECONDS
    assert all(one != other for one, other in zip(naps, others, strict=True))


@pytest.mark.parametrize(("wished", "waited"), [(7, 7.0), (3600, logs.SILENCE_SECONDS)], ids=["soon", "late"])
async def test_a_log_is_asked_for_again_when_the_server_says_within_reason(
    monkeypatch: pytest.MonkeyPatch, wished: int, waited: float
) -> None:
    later = ApiError(429, "TooManyRequests", "later", {"retryAfterSeconds": wished})

    assert await naps_of(monkeypatch, later) == [waited]


class Dying(Answers):
    """A log whose first stream says nothing more after its first line."""

    @contextlib.asynccontextmanager
    async def stream_log(self, pod: str, **options: Any) -> AsyncIterator[Any]:
        async with super().stream_log(pod, **options) as chunks:
            yield self._silent(chunks) if len(self.asked_since) == 1 else chunks

    async def _silent(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk
        await asyncio.Event().wait()


@pytest.mark.parametrize("end", ["of the TrainJob", "of one run"])
async def test_what_a_dead_stream_owes_at_the_end_is_asked_for_afresh(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(followers, "SILENT_SECONDS", 0.1)
    first, second = b"2026-01-01T00:00:01.5Z first\n", b"2026-01-01T00:00:02.5Z second\n"
    api = Dying(first, first + second)
    seen: list[LogLine] = []
    noted: list[str] = []
    reading = following(api, seen, noted, drain=drain)
    pod = Pod.from_object(pod_object(phase="Failed", state=terminated(3)))
    reading.observe(pod)

    await (reading.read_out() if end == "of the TrainJob" else reading.read_until(pod.uid, 0))
    await reading.close()

    assert ([line.text for line in seen], noted) == (["first", "second"], [])
    assert api.asked_since == [None, "2026-01-01T00:00:01.5Z"]


@pytest.mark.parametrize("line", [100_000, GIGABYTE], ids=["in lines", "in one line"])
async def test_a_log_of_a_gigabyte_passes_in_little_memory(line: int) -> None:
    stamp = b"2026-01-01T00:00:00.5Z "

    class Api:
        @contextlib.asynccontextmanager
        async def stream_log(self, pod: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes]]:
            async def chunks() -> AsyncIterator[bytes]:
                whole = stamp + b"x" * (line - len(stamp) - 1) + b"\n" if line < CHUNK else b"x" * CHUNK
                yield stamp
                for _ in range(GIGABYTE // len(whole)):
                    yield whole

            yield chunks()

    seen: list[int] = []
    follower = LogFollower(Api(), job="node", emit=lambda told: seen.append(len(told.text)), drain=drain, note=print)  # type: ignore[arg-type]
    follower.observe(Pod.from_object(pod_object(phase="Succeeded", state=terminated(0))))
    follower.finish()
    tracemalloc.start()
    try:
        await follower.run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert len(seen) >= GIGABYTE // line
    assert max(seen) < 5_000
    assert peak < 16 * CHUNK
