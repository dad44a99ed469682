"""WATCH: changes as they are made, one line of JSON each."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_kubeflow_trainer.local.api.resources import ServedResource
from airflow_kubeflow_trainer.local.api.selectors import Predicate
from airflow_kubeflow_trainer.local.api.store import Change, RevisionGoneError, Store, encode
from airflow_kubeflow_trainer.local.status import StatusError, expired

BOOKMARK_SECONDS = 60.0
"""How often a quiet watch is told the current resourceVersion."""
LEAST_SECONDS, MOST_SECONDS = 1800.0, 3600.0
"""Bounds of how long a watch lasts whose client doesn't say."""


@dataclass(frozen=True, kw_only=True)
class WatchRequest:
    """What one client wants to be told."""

    served: ServedResource
    namespace: str | None
    selects: Predicate
    since: int | None
    """Revision after which changes are told; None tells all objects first."""
    bookmarks: bool
    initial_events_end: bool
    """The end of what existed is marked by a bookmark."""
    timeout_seconds: float | None


async def stream(store: Store, wanted: WatchRequest, response: web.StreamResponse) -> None:
    """Write events until the watch's time is over or the history has been lost."""
    loop = asyncio.get_running_loop()
    seconds = wanted.timeout_seconds
    ends = loop.time() + (random.uniform(LEAST_SECONDS, MOST_SECONDS) if seconds is None else seconds)
    seen = store.revision if wanted.since is None else wanted.since
    if wanted.since is None:
        await _write(response, list(_initial(store, wanted)))
    bookmark_at = loop.time() + BOOKMARK_SECONDS
    while True:
        try:
            changes = store.changes_after(seen)
        except RevisionGoneError:
            problem = f"too old resource version: {seen} ({store.oldest_revision})"
            return await _write(response, [_line("ERROR", encode(expired(problem).as_status()))])
        if changes:
            seen = changes[-1].revision
            await _write(response, [line for change in changes for line in _event(change, wanted)])
            continue
        now = loop.time()
        if wanted.bookmarks and (now >= bookmark_at or now >= ends):
            await _write(response, [_bookmark(wanted.served, seen)])
            bookmark_at = now + BOOKMARK_SECONDS
            if now < ends:
                continue
        if now >= ends:
            return None
        try:
            async with asyncio.timeout_at(min(ends, bookmark_at) if wanted.bookmarks else ends):
                await store.wait_for_change()
        except TimeoutError:
            continue


def parse_revision(text: str | None) -> int | None:
    """Read a resourceVersion; None where it's absent or "0", which mean: whatever is there.

    :raises StatusError: 400.
    """
    if text in (None, "", "0"):
        return None
    if not str(text).isdecimal():
        problem = f"Invalid value: {json.dumps(text)}: invalid resource version"
        raise StatusError(400, "BadRequest", f"resourceVersion: {problem}")
    return int(str(text))


def _initial(store: Store, wanted: WatchRequest) -> Iterator[bytes]:
    for obj in store.objects(wanted.served.resource.plural, wanted.namespace):
        if wanted.selects(obj):
            yield _line("ADDED", encode(obj))
    if wanted.initial_events_end:
        yield _bookmark(wanted.served, store.revision, {"k8s.io/initial-events-end": "true"})


def _event(change: Change, wanted: WatchRequest) -> Iterator[bytes]:
    key = change.key
    if key.resource != wanted.served.resource.plural or wanted.namespace not in (None, key.namespace):
        return
    was = change.before is not None and wanted.selects(change.before)
    is_now = change.after is not None and wanted.selects(change.after)
    if is_now:
        yield _line("MODIFIED" if was else "ADDED", change.text)
    elif was and change.after is None:
        yield _line("DELETED", change.text)
    elif was and change.before is not None:
        # It has left the selection: told as it last was inside.
        metadata = {**change.before["metadata"], "resourceVersion": str(change.revision)}
        yield _line("DELETED", encode({**change.before, "metadata": metadata}))


def _bookmark(served: ServedResource, revision: int, annotations: dict[str, str] | None = None) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    resource = served.resource
    return _line("BOOKMARK", encode({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}))


def _line(kind: str, text: str) -> bytes:
    return f'{{"type":"{kind}","object":{text}}}\n'.encode()


async def _write(response: web.StreamResponse, lines: list[bytes]) -> None:
    if lines:
        await response.write(b"".join(lines))
