"""Observing TrainJobs that somebody else runs: by one look, or by a feed. Never touches them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from airflow_kubeflow_trainer.cluster.feed import Feed
from airflow_kubeflow_trainer.cluster.inbox import Inbox
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import (
    ApiError,
    ClusterUnreachableError,
    KubeflowTrainerError,
    NotFoundError,
    words_of,
)
from airflow_kubeflow_trainer.trainjob.awaiting import Awaited, Verdict, decide
from airflow_kubeflow_trainer.trainjob.seen import Seen

AGAIN_SECONDS = 10.0
"""Between two tries, where the cluster has not answered for so long that the feed gave up."""


async def look(api: TrainJobApi, awaited: Awaited, seen: Seen) -> Verdict | None:
    """Look once at what there is.

    :raises KubeflowTrainerError: the cluster does not answer, or refuses to.
    """
    seen.see_all(await _find(api, awaited))
    return decide(awaited, seen)


async def watch(
    api: TrainJobApi,
    feed: Feed,
    awaited: Awaited,
    seen: Seen,
    *,
    deadline: float | None,
    note: Callable[[str], None],
    now: Callable[[], float] = time.time,
) -> Verdict | None:
    """Watch until the waiting is over; None where the deadline came first.

    A cluster that does not answer is waited for until then.

    :param deadline: seconds since the epoch. None: for ever.
    :param note: is told what a person may want to know meanwhile.
    :raises ApiError: the cluster refuses to tell.
    """
    try:
        async with asyncio.timeout(None if deadline is None else max(0.0, deadline - now())) as clock:
            while True:
                try:
                    return await _watch(api, feed, awaited, seen, note)
                except (ApiError, ClusterUnreachableError) as error:
                    if not is_transient(error):
                        raise
                    note(f"The cluster does not answer, and is asked again: {error}")
                await asyncio.sleep(AGAIN_SECONDS)
    except TimeoutError:
        if not clock.expired():
            raise
        return None


def is_transient(error: Exception) -> bool:
    """Whether the cluster may answer another time: there was no answer, or 429, or 5xx."""
    if isinstance(error, ApiError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, ClusterUnreachableError)


def refusal(error: Exception) -> KubeflowTrainerError:
    """Say for a person that the cluster will not tell, whatever is wrong with it."""
    if isinstance(error, ApiError):
        return ClusterUnreachableError(f"The cluster refused to tell: {error}")
    if isinstance(error, KubeflowTrainerError):
        return error
    return KubeflowTrainerError(words_of(error))


async def batches(feed: Feed, name: str | None) -> AsyncGenerator[list[WatchEvent], None]:
    """Give what the feed tells, as much at a time as there is; what there is at first comes whole.

    :raises ApiError: the cluster refuses to tell.
    :raises ClusterUnreachableError: the feed gave up.
    """
    inbox: Inbox[WatchEvent | Exception] = Inbox()
    first: list[WatchEvent] = []
    with feed.subscribe(name, inbox.put):
        synced = False
        while True:
            events = [_raised(await inbox.get()), *map(_raised, inbox.rest())]
            first += [] if synced else events
            if synced:
                yield events
            elif any(event.type is WatchType.SYNCED for event in events):
                synced = True
                yield first


async def _watch(
    api: TrainJobApi, feed: Feed, awaited: Awaited, seen: Seen, note: Callable[[str], None]
) -> Verdict | None:
    matches = awaited.matcher()
    async with aclosing(batches(feed, awaited.name)) as changes:
        async for events in changes:
            for event in events:
                _take(event, seen, matches, note)
            uids = next((event.object["uids"] for event in events if event.type is WatchType.SYNCED), None)
            if uids is not None and seen.missing_from(uids):
                # A feed that others share may be a moment behind, and not have heard of what we saw before it.
                seen.see_all(await _find(api, awaited))
            verdict = decide(awaited, seen)
            if verdict is not None:
                return verdict
    raise AssertionError("A feed has no end")


def _take(
    event: WatchEvent, seen: Seen, matches: Callable[[dict[str, Any]], bool], note: Callable[[str], None]
) -> None:
    match event.type:
        case WatchType.ADDED | WatchType.MODIFIED | WatchType.DELETED:
            matching = matches(event.object)
            if matching:
                seen.see(event.object)
            if not matching or event.type is WatchType.DELETED:
                seen.lose(event.object["metadata"]["uid"])
        case WatchType.INTERRUPTED:
            note(f"The cluster does not answer, and is asked again: {event.object['message']}")
        case WatchType.RECOVERED:
            note("The cluster answers again")


async def _find(api: TrainJobApi, awaited: Awaited) -> list[dict[str, Any]]:
    if awaited.name is None:
        return await api.find(label_selector=awaited.label_selector)
    try:
        return [await api.get(awaited.name)]
    except NotFoundError as error:
        if not error.details.get("name"):
            # Not this TrainJob: there are no TrainJobs at all.
            raise
        return []


def _raised(event: WatchEvent | Exception) -> WatchEvent:
    if isinstance(event, Exception):
        raise event
    return event
