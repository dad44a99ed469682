"""LIST and WATCH where the API server fails for as long as no test could wait."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import weakref
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster import patience, watch
from airflow_kubeflow_trainer.cluster.patience import LAST_DELAY_SECONDS
from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
from airflow_kubeflow_trainer.cluster.watch import GIVE_UP_SECONDS, Watch, WatchType
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError

EMPTY = {"items": [], "metadata": {"resourceVersion": "7"}}
TOO_OLD = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
OUT_OF_ORDER = ApiError(503, "ServiceUnavailable", "etcd is gone")


class Enough(Exception):  # noqa: N818
    """A test has seen what it wanted to see."""


class Server:
    """Answers as a test wants it; time passes only while somebody waits to ask again."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []
        self.watched: list[dict[str, Any]] = []
        self.answer: Callable[[], dict[str, Any]] = lambda: EMPTY
        self.changes: Callable[[], list[Any]] = list
        """Events, or what stands in place of one."""

    async def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
        if sum(self.naps) > 10 * GIVE_UP_SECONDS:
            raise Enough

    async def get(self, path: str, *, params: Any = None) -> dict[str, Any]:
        return self.answer()

    @contextlib.asynccontextmanager
    async def stream(self, path: str, *, params: Any, answer_within: float) -> AsyncIterator[AsyncIterator[bytes]]:
        self.watched.append(dict(params))

        async def chunks() -> AsyncIterator[bytes]:
            for change in self.changes():
                yield change if isinstance(change, bytes) else json.dumps(change).encode() + b"\n"

        yield chunks()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    for module in (patience, watch):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: server.now))
    monkeypatch.setattr(asyncio, "sleep", server.nap)
    return server


def events(server: Any) -> Any:
    return Watch(server, TRAINJOBS, namespace="default").events()


def fail(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OUT_OF_ORDER, id="5xx"),
        pytest.param(ApiError(429, "TooManyRequests", "later"), id="429"),
        pytest.param(ClusterUnreachableError("connection refused"), id="no connection"),
    ],
)
async def test_an_outage_is_waited_out_ever_less_eagerly_for_ten_minutes_by_the_clock(
    server: Server, error: Exception
) -> None:
    server.answer = lambda: fail(error)

    told: list[WatchType] = []

    async def listen() -> None:
        async for event in events(server):
            told.append(event.type)  # noqa: PERF401 (what was told before the error counts)

    with pytest.raises(type(error)):
        await listen()

    assert told == [WatchType.INTERRUPTED]
    assert GIVE_UP_SECONDS < sum(server.naps) < GIVE_UP_SECONDS + 2 * LAST_DELAY_SECONDS
    assert max(server.naps[:2]) < 1.0
    assert min(server.naps[10:]) >= LAST_DELAY_SECONDS / 2


async def test_a_server_that_asks_for_more_than_there_is_patience_for_is_asked_a_last_time(server: Server) -> None:
    server.answer = lambda: fail(ApiError(429, "TooManyRequests", "later", {"retryAfterSeconds": 10 * GIVE_UP_SECONDS}))

    with pytest.raises(ApiError, match="later"):
        _ = [event async for event in events(server)]

    assert GIVE_UP_SECONDS <= sum(server.naps) < GIVE_UP_SECONDS + 2 * LAST_DELAY_SECONDS


async def test_a_server_to_which_every_version_is_too_old_is_asked_ever_less_often(server: Server) -> None:
    lists: list[float] = []

    def answer() -> dict[str, Any]:
        lists.append(server.now)
        return fail(Enough()) if len(lists) > 20 else EMPTY

    server.answer = answer
    server.changes = lambda: [TOO_OLD]

    with pytest.raises(Enough):
        _ = [event async for event in events(server)]

    pauses = [later - earlier for earlier, later in itertools.pairwise(lists)]
    assert 0 < pauses[0] < 1.0
    assert min(pauses[10:]) >= LAST_DELAY_SECONDS / 2


async def test_a_good_answer_begins_the_ten_minutes_anew(server: Server) -> None:
    answers = (EMPTY if number % 20 == 19 else OUT_OF_ORDER for number in range(200))

    def answer() -> dict[str, Any]:
        found = next(answers, Enough())
        return fail(found) if isinstance(found, Exception) else found

    server.answer = answer
    # After each good list: without it, the watch would go on without another.
    server.changes = lambda: [TOO_OLD]

    with pytest.raises(Enough):
        _ = [event async for event in events(server)]

    assert sum(server.naps) > 2 * GIVE_UP_SECONDS


async def test_two_who_lost_the_same_server_do_not_ask_it_again_in_step(server: Server) -> None:
    server.answer = lambda: fail(OUT_OF_ORDER)
    delays = []
    for _ in range(2):
        server.naps = []
        with pytest.raises(ApiError):
            _ = [event async for event in events(server)]
        delays.append(server.naps[:5])

    assert all(one != other for one, other in zip(*delays, strict=True))


async def test_a_watch_goes_on_where_the_last_bookmark_was(server: Server) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"kind": "TrainJob", "metadata": {"resourceVersion": "4711"}}}
    server.changes = lambda: [bookmark] if len(server.watched) == 1 else fail(Enough())

    with pytest.raises(Enough):
        _ = [event async for event in events(server)]

    assert [asked["resourceVersion"] for asked in server.watched] == ["7", "4711"]
    assert all(asked["allowWatchBookmarks"] for asked in server.watched)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(b'{"type": "MODIFIED", "object": {"meta', id="in the middle"),
        pytest.param(b"<html>502 Bad Gateway</html>", id="by a proxy's page"),
        pytest.param(b'{"error": "upstream"}\n', id="by a proxy's words"),
    ],
)
async def test_a_watch_that_breaks_off_within_a_line_goes_on_after_the_last_whole_one(
    server: Server, end: bytes
) -> None:
    change = {"type": "MODIFIED", "object": {"kind": "TrainJob", "metadata": {"resourceVersion": "4711"}}}
    server.changes = lambda: [change, end] if len(server.watched) == 1 else fail(Enough())
    told: list[WatchType] = []

    async def listen() -> None:
        async for event in events(server):
            told.append(event.type)  # noqa: PERF401 (what was told before the end counts)

    with pytest.raises(Enough):
        await listen()

    assert told == [WatchType.SYNCED, WatchType.MODIFIED]
    assert [asked["resourceVersion"] for asked in server.watched] == ["7", "4711"]


class Item(dict[str, Any]):
    """An object of a list, whose going can be noticed."""


async def test_what_has_been_told_of_a_list_is_not_held_until_all_of_it_is(server: Server) -> None:
    gone: list[str] = []

    def answer() -> dict[str, Any]:
        items = [Item(metadata={"uid": str(number), "resourceVersion": "1"}) for number in range(10)]
        for item in items:
            weakref.finalize(item, gone.append, item["metadata"]["uid"])
        return {"items": items, "metadata": {"resourceVersion": "7"}}

    server.answer = answer
    told = events(server)
    for _ in range(5):
        await anext(told)

    assert gone == ["0", "1", "2", "3"]
