"""LIST and WATCH: a stream that tells all there is, then all that changes, for ever."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_kubeflow_trainer.cluster.client import REQUEST_TIMEOUT_SECONDS, Client
from airflow_kubeflow_trainer.cluster.resources import Resource
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError, ExpiredError, api_error

PAGE_SIZE = 500
WATCH_SECONDS = 290
"""How long one WATCH request is asked to last; the API server ends it then and we ask again."""
SILENCE_SECONDS = 330.0
"""A WATCH that has said nothing for longer than it was asked to last is taken for a dead connection."""
GIVE_UP_SECONDS = 600.0
"""How long the API server may fail, without one good answer, before the watch gives up."""
SHORTEST_WATCH_SECONDS = 1.0
"""A WATCH that ends sooner is not asked for again before."""
FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 0.2, 15.0

log = logging.getLogger(__name__)


class WatchType(StrEnum):
    """What a watch event says."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    SYNCED = "SYNCED"
    """All that existed has been told (as ADDED); ``object["uids"]`` lists it, so what is not among them is gone."""


@dataclass(frozen=True)
class WatchEvent:
    """One change, or one object of a list."""

    type: WatchType
    object: dict[str, Any]


async def watch(
    client: Client,
    resource: Resource,
    *,
    namespace: str | None = None,
    label_selector: str | None = None,
    field_selector: str | None = None,
) -> AsyncIterator[WatchEvent]:
    """Tell every object and then every change, without an end.

    Dropped connections, 429 and 5xx are waited out with growing, jittered delays, for at most
    ``GIVE_UP_SECONDS`` without a good answer; an expired resourceVersion leads to a new list.

    :raises ApiError: what waiting does not heal: 401, 403, 404.
    :raises ClusterUnreachableError: no answer for ``GIVE_UP_SECONDS``.
    """
    selectors = _selectors(label_selector, field_selector)
    path = resource.path(namespace=namespace)
    outage = _Outage()
    version: str | None = None
    while True:
        try:
            if version is None:
                async for listed, at in _list(client, path, selectors):
                    version = at
                    yield listed
                outage.over()
            started = time.monotonic()
            async for changed, seen in _watch_once(client, path, selectors, version):
                version = seen
                outage.over()
                if changed is not None:
                    yield changed
            await asyncio.sleep(max(0.0, SHORTEST_WATCH_SECONDS - (time.monotonic() - started)))
        except ExpiredError:
            version = None
        except (ApiError, ClusterUnreachableError) as error:
            await outage.wait(error)


async def _list(client: Client, path: str, selectors: dict[str, str]) -> AsyncIterator[tuple[WatchEvent, str | None]]:
    # The version is told with the last event only: a list that breaks off must start again.
    params: dict[str, str | int] = {**selectors, "limit": PAGE_SIZE}
    uids: list[str] = []
    while True:
        page = await client.get(path, params=params)
        for item in page.get("items", []):
            uids.append(item["metadata"]["uid"])
            yield WatchEvent(WatchType.ADDED, item), None
        token = page["metadata"].get("continue")
        if not token:
            yield WatchEvent(WatchType.SYNCED, {"uids": uids}), page["metadata"]["resourceVersion"]
            return
        params["continue"] = token


async def _watch_once(
    client: Client, path: str, selectors: dict[str, str], version: str | None
) -> AsyncIterator[tuple[WatchEvent | None, str]]:
    params: dict[str, str | int | bool] = {
        **selectors,
        "watch": True,
        "allowWatchBookmarks": True,
        "resourceVersion": version or "0",
        "timeoutSeconds": WATCH_SECONDS,
    }
    async with client.stream(path, params=params, answer_within=REQUEST_TIMEOUT_SECONDS) as chunks:
        async for line in lines(chunks, silence_seconds=SILENCE_SECONDS):
            event = json.loads(line)
            body = event["object"]
            if event["type"] == "ERROR":
                raise api_error(body.get("code", 500), body.get("reason", ""), body.get("message", ""))
            changed = None if event["type"] == "BOOKMARK" else WatchEvent(WatchType(event["type"]), body)
            yield changed, body["metadata"]["resourceVersion"]


async def lines(chunks: AsyncIterator[bytes], *, silence_seconds: float | None = None) -> AsyncIterator[bytes]:
    """Cut a stream of chunks into its lines, without their line feeds.

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
    if rest:
        yield bytes(rest)


class _Outage:
    """Since when the API server has not given a good answer, and how long to wait before the next try."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._delay = FIRST_DELAY_SECONDS

    def over(self) -> None:
        self._since = None
        self._delay = FIRST_DELAY_SECONDS

    async def wait(self, error: ApiError | ClusterUnreachableError) -> None:
        """Sleep before the next try, or raise the error where another try would not help."""
        if isinstance(error, ApiError) and not (error.status == 429 or error.status >= 500):
            raise error
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > GIVE_UP_SECONDS:
            raise error
        asked = error.details.get("retryAfterSeconds", 0) if isinstance(error, ApiError) else 0
        delay = max(float(asked), self._delay * random.uniform(0.5, 1.5))
        log.info("Watching again in %.1f s: %s", delay, error)
        self._delay = min(self._delay * 2, LAST_DELAY_SECONDS)
        await asyncio.sleep(delay)


def _selectors(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in selectors.items() if value}
