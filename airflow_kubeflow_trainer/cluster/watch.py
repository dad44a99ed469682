"""LIST and WATCH: a stream that tells all there is, then all that changes, for ever."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_kubeflow_trainer.cluster.client import REQUEST_TIMEOUT_SECONDS, Client
from airflow_kubeflow_trainer.cluster.patience import LAST_DELAY_SECONDS, Backoff
from airflow_kubeflow_trainer.cluster.resources import Resource
from airflow_kubeflow_trainer.exceptions import (
    ApiError,
    ClusterUnreachableError,
    ExpiredError,
    ForbiddenError,
    api_error,
)

PAGE_SIZE = 100
"""Objects of a list that are read at once; while they are, each takes many times what is kept of it."""
WATCH_SECONDS = 290
"""How long one WATCH request is asked to last; the API server ends it then and we ask again."""
SILENCE_SECONDS = 330.0
"""A WATCH that has said nothing for longer than it was asked to last is taken for a dead connection."""
GIVE_UP_SECONDS = 600.0
"""How long the API server may fail, without one good answer, before the watch gives up."""
TELL_SECONDS = 30.0
"""An outage that lasts longer is told of."""
POLL_SECONDS = 10.0
"""Between two lists, where watching is not permitted."""
SHORTEST_WATCH_SECONDS = 1.0
"""A WATCH that ends sooner is not asked for again before."""

log = logging.getLogger(__name__)


class WatchType(StrEnum):
    """What a watch event says."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    SYNCED = "SYNCED"
    """All that existed has been told (as ADDED); ``object["uids"]`` lists it, so what is not among them is gone."""
    INTERRUPTED = "INTERRUPTED"
    """There has been no good answer for ``TELL_SECONDS``; ``object["message"]`` says why. The asking goes on."""
    RECOVERED = "RECOVERED"
    """There are answers again."""


@dataclass(frozen=True)
class WatchEvent:
    """One change, or one object of a list."""

    type: WatchType
    object: dict[str, Any]

    @property
    def is_change(self) -> bool:
        """Whether it is about an object, not about the watch itself."""
        return self.type in (WatchType.ADDED, WatchType.MODIFIED, WatchType.DELETED)


class Watch:
    """One kind of object in one namespace, as LIST and then WATCH tell it.

    Dropped connections, 429 and 5xx are waited out with growing, jittered delays, for at most ``GIVE_UP_SECONDS``
    without a good answer; an expired resourceVersion leads to a new list. Where a LIST is permitted and a WATCH is
    not, the list is asked for again every ``POLL_SECONDS``.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> None:
        self._client = client
        self._path = resource.path(namespace=namespace)
        self._selectors = _selectors(label_selector, field_selector)
        self._version: str | None = None
        """Up to where all has been told; None where a list is needed first."""
        self._polling = False

    async def events(self) -> AsyncIterator[WatchEvent]:
        """Tell every object and then every change, without an end.

        :raises ApiError: what waiting does not heal: 401, 403, 404.
        :raises ClusterUnreachableError: no answer for ``GIVE_UP_SECONDS``.
        """
        outage, expiries = _Outage(), Backoff()
        self._version = None
        while True:
            started = time.monotonic()
            try:
                async for event in self._round():
                    if outage.over():
                        yield WatchEvent(WatchType.RECOVERED, {})
                    if event is not None:
                        yield event
            except ExpiredError:
                self._version = None
                if time.monotonic() - started > LAST_DELAY_SECONDS:
                    expiries.reset()
                # To one that always answers so, each list would else lead to the next at once.
                await asyncio.sleep(expiries.pause())
            except (ApiError, ClusterUnreachableError) as error:
                delay = outage.delay(error, give_up_seconds=GIVE_UP_SECONDS)
                if outage.news():
                    yield WatchEvent(WatchType.INTERRUPTED, {"message": str(error)})
                log.info("Asking for %s again in %.1f s: %s", self._path, delay, error)
                await asyncio.sleep(delay)

    async def _round(self) -> AsyncIterator[WatchEvent | None]:
        """One list, where one is needed, and one watch; None is a sign of life."""
        if self._version is None:
            async for listed, version in self._list():
                self._version = version
                yield listed
        started = time.monotonic()
        try:
            async for changed, version in self._changes():
                self._version = version
                yield changed
        except ForbiddenError as error:
            if not self._polling:
                log.warning("Listing every %.0f s, since watching is not permitted: %s", POLL_SECONDS, error.message)
            self._polling = True
            await asyncio.sleep(POLL_SECONDS)
            self._version = None
        await asyncio.sleep(max(0.0, SHORTEST_WATCH_SECONDS - (time.monotonic() - started)))

    async def _list(self) -> AsyncIterator[tuple[WatchEvent, str | None]]:
        # The version is told with the last event only: a list that breaks off must start again.
        params: dict[str, str | int] = {**self._selectors, "limit": PAGE_SIZE}
        uids: list[str] = []
        while True:
            page = await self._client.get(self._path, params=params)
            # Each goes when it has been told, and makes room for what those who are told of it keep.
            items = deque(page.pop("items", None) or ())
            while items:
                item = items.popleft()
                uids.append(item["metadata"]["uid"])
                yield WatchEvent(WatchType.ADDED, item), None
            token = page["metadata"].get("continue")
            if not token:
                yield WatchEvent(WatchType.SYNCED, {"uids": uids}), page["metadata"]["resourceVersion"]
                return
            params["continue"] = token

    async def _changes(self) -> AsyncIterator[tuple[WatchEvent | None, str]]:
        params: dict[str, str | int | bool] = {
            **self._selectors,
            "watch": True,
            "allowWatchBookmarks": True,
            "resourceVersion": self._version or "0",
            "timeoutSeconds": WATCH_SECONDS,
        }
        async with self._client.stream(self._path, params=params, answer_within=REQUEST_TIMEOUT_SECONDS) as chunks:
            # An answer that has begun is a good one, though nothing may change for long.
            yield None, self._version or "0"
            async for line in lines(chunks, silence_seconds=SILENCE_SECONDS):
                kind, body, version = _parsed(line)
                if kind == "ERROR":
                    raise api_error(body.get("code", 500), body.get("reason", ""), body.get("message", ""))
                yield None if kind == "BOOKMARK" else WatchEvent(WatchType(kind), body), version


def _parsed(line: bytes) -> tuple[str, dict[str, Any], str]:
    """Give what one line of a watch says: what has happened, the object, and its resourceVersion."""
    try:
        event = json.loads(line)
        kind, body = event["type"], event["object"]
        return kind, body, "" if kind == "ERROR" else body["metadata"]["resourceVersion"]
    except (ValueError, LookupError, TypeError) as error:
        # Whatever dropped the connection may have ended the answer in due form, in the middle of a line.
        raise ClusterUnreachableError(f"The watch broke off within a line of {len(line)} bytes") from error


async def lines(
    chunks: AsyncIterator[bytes], *, silence_seconds: float | None = None, longest: int | None = None
) -> AsyncIterator[bytes]:
    """Cut a stream of chunks into its lines, without their line feeds.

    :param longest: how many bytes of a line that does not end are kept: its beginning and its end. None keeps all.
    :param silence_seconds: raise ClusterUnreachableError where nothing arrives for so long. None waits for ever.
    """
    rest = bytearray()
    iterator = aiter(chunks)
    while True:
        try:
            async with asyncio.timeout(silence_seconds):
                chunk = await anext(iterator)
        except StopAsyncIteration:
            break
        except TimeoutError as error:
            raise ClusterUnreachableError(f"The connection was silent for {silence_seconds:.0f} s") from error
        rest += chunk
        if b"\n" in chunk:
            *complete, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in complete:
                yield line
        if longest is not None and len(rest) > longest:
            del rest[longest // 2 : -(longest // 2)]
    if rest:
        yield bytes(rest)


class _Outage(Backoff):
    """An API server that does not give good answers, and whether somebody has been told so."""

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    def over(self) -> bool:
        """Take note of a good answer; say whether it ends an outage that was told of."""
        told, self._told = self._told, False
        self.reset()
        return told

    def news(self) -> bool:
        """Whether it has lasted long enough to tell of it, and nobody has been told."""
        lasted = self.since is not None and time.monotonic() - self.since >= TELL_SECONDS
        news = lasted and not self._told
        self._told |= lasted
        return news


def _selectors(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in selectors.items() if value}
