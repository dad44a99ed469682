"""WATCH: what happened since a version, then what happens, filtered as a LIST would be."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.local.api.listing import ListOptions, list_options, whole_number
from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.api.store import Change, ChangeType, Store, Stored
from airflow_kubeflow_trainer.local.status import StatusError, expired

BOOKMARK_SECONDS = 60.0
SHORTEST_SECONDS = 1800.0
"""How long a watch lasts that names no time of its own, at least; at most twice as long."""

Encode = Callable[[Stored], bytes]


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """What a WATCH asks for."""

    listing: ListOptions
    bookmarks: bool
    initial_events: bool | None
    """Whether what exists is told first, with a bookmark after it; None leaves it to the version."""
    seconds: float


def watch_options(resource: ApiResource, query: Mapping[str, str]) -> WatchOptions:
    """Read the options from a request's query.

    :raises StatusError: 400 or 422, they make no sense.
    """
    initial = query.get("sendInitialEvents")
    return WatchOptions(
        listing=list_options(resource, query),
        bookmarks=flag(query, "allowWatchBookmarks"),
        initial_events=None if initial is None else flag(query, "sendInitialEvents"),
        seconds=whole_number(query, "timeoutSeconds") or SHORTEST_SECONDS * random.uniform(1.0, 2.0),
    )


def flag(query: Mapping[str, str], name: str) -> bool:
    """Whether a parameter is set to what Kubernetes takes for true."""
    return query.get(name, "").lower() in ("true", "1", "t")


async def watch_lines(
    store: Store, resource: ApiResource, namespace: str | None, options: WatchOptions, encode: Encode
) -> AsyncGenerator[bytes, None]:
    """Tell each change as lines of JSON until the watch's time is over.

    A watcher reads the store's history at its own pace; one that falls behind further than the history reaches, or
    comes with a version from before it, is told 410 in an ERROR event.
    """
    view = _View(store, resource, namespace, options, encode)
    loop = asyncio.get_running_loop()
    end = loop.time() + options.seconds
    changed = asyncio.Event()
    with store.listening(resource, changed.set):
        try:
            if initial := view.initial():
                yield initial
            while (left := end - loop.time()) > 0:
                changed.clear()
                if news := view.news():
                    yield news
                    continue
                try:
                    async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                        await changed.wait()
                except TimeoutError:
                    if options.bookmarks:
                        yield view.bookmark()
        except StatusError as error:
            yield _line("ERROR", json.dumps(error.as_status()).encode())


class _View:
    """The part of one resource that a watcher sees, and how far it has seen."""

    def __init__(
        self, store: Store, resource: ApiResource, namespace: str | None, options: WatchOptions, encode: Encode
    ) -> None:
        self._store = store
        self._resource = resource
        self._namespace = namespace
        self._options = options
        self._encode = encode
        self._seen = options.listing.number

    def initial(self) -> bytes:
        """Return what exists, where the watcher wants it, and then continue from now."""
        told = self._options.initial_events
        if self._seen > self._store.version:
            # Its versions are from another life of this store: only a new list can help.
            raise expired(f"too large resource version: {self._seen}, current: {self._store.version}")
        if told is None:
            told = self._seen == 0
        if not told:
            self._seen = self._seen or self._store.version
            return b""
        self._seen = self._store.version
        present = self._store.all(self._resource, namespace=self._namespace)
        lines = [_line(ChangeType.ADDED, self._encode(stored)) for stored in present if self._shows(stored)]
        if self._options.initial_events and self._options.bookmarks:
            lines.append(self.bookmark(annotations={"k8s.io/initial-events-end": "true"}))
        return b"".join(lines)

    def news(self) -> bytes:
        """Return what has happened since the last look."""
        changes = self._store.changes_since(self._resource, self._seen)
        self._seen = self._store.version
        return b"".join(self._told(change) for change in changes)

    def bookmark(self, *, annotations: Mapping[str, str] | None = None) -> bytes:
        """Say how far the watcher has seen, though nothing happened that it wants to know."""
        metadata: dict[str, Any] = {"resourceVersion": str(self._seen), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = dict(annotations)
        body = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        return _line("BOOKMARK", json.dumps(body).encode())

    def _told(self, change: Change) -> bytes:
        before = change.previous is not None and self._shows(change.previous)
        after = change.type is not ChangeType.DELETED and self._shows(change.stored)
        if after:
            return _line(ChangeType.MODIFIED if before else ChangeType.ADDED, self._encode(change.stored))
        if before:
            return _line(ChangeType.DELETED, self._encode(change.stored))
        return b""

    def _shows(self, stored: Stored) -> bool:
        if self._namespace is not None and stored.key[0] != self._namespace:
            return False
        match = self._options.listing.match
        return match is None or match(stored.object)


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + body + b"}\n"
