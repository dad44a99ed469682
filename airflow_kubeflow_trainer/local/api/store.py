"""The cluster's memory: objects in SQLite, each write a new revision, and the latest revisions for watches.

Every method runs to its end without awaiting, on one event loop: a write, its revision and its publication are one
step, which no reader can see half of. A write has been handed to the operating system when the method returns, so it
outlives a SIGKILL of this process.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Object = dict[str, Any]

HISTORY_LENGTH = 4096
"""How many revisions a watch or a continue token may lie behind, at least."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL, rv INTEGER NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY CHECK (id = 0), value INTEGER NOT NULL);
INSERT OR IGNORE INTO revision VALUES (0, 1);
"""


class Key(NamedTuple):
    """Where an object lies; the namespace is empty for objects of the whole cluster."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Change:
    """One revision: an object before and after; None where it did not or does not exist."""

    revision: int
    key: Key
    before: Object | None
    after: Object | None
    text: str
    """JSON of the object after the change, or of the object that was removed."""


def encode(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":"))


class RevisionGoneError(Exception):
    """The revision is older than the history, or newer than the store."""


class Store:
    """Objects by key, and the changes that led to them. Objects that it gives out must not be changed."""

    def __init__(self, path: Path, *, history_length: int = HISTORY_LENGTH) -> None:
        self._history_length = history_length
        self._database = sqlite3.connect(path, isolation_level=None)
        # NORMAL: a SIGKILL loses nothing; only a power cut may take the last writes.
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
        self._database.executescript(_SCHEMA)
        self._objects: dict[str, dict[Key, Object]] = {}
        for resource, namespace, name, text in self._database.execute(
            "SELECT resource, namespace, name, json FROM objects"
        ):
            self._objects.setdefault(resource, {})[Key(resource, namespace, name)] = json.loads(text)
        self.revision: int = self._database.execute("SELECT value FROM revision").fetchone()[0]
        self._history: list[Change] = []
        self._news = asyncio.Event()

    def close(self) -> None:
        """Close the database; watches end."""
        self._database.close()
        self._publish()

    def get(self, key: Key) -> Object | None:
        """Return the object that lies under a key."""
        return self._objects.get(key.resource, {}).get(key)

    def objects(self, resource: str, namespace: str | None = None, *, revision: int | None = None) -> Iterator[Object]:
        """Give the objects of a resource in the order of their keys, of one namespace or of all.

        :param revision: give them as they were then.
        :raises RevisionGoneError: nobody remembers that revision.
        """
        objects = self._objects.get(resource, {})
        if revision is not None and revision != self.revision:
            objects = self._at(resource, revision)
        return (objects[key] for key in sorted(objects) if namespace is None or key.namespace == namespace)

    def put(self, key: Key, obj: Object) -> Object:
        """Create or replace an object; return it with its new resourceVersion."""
        revision = self.revision + 1
        stamped = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(revision)}}
        text = encode(stamped)
        with self._database:
            self._database.execute("BEGIN")
            self._database.execute("REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", (*key, text, revision))
            self._database.execute("UPDATE revision SET value = ?", (revision,))
        objects = self._objects.setdefault(key.resource, {})
        change = Change(revision, key, objects.get(key), stamped, text)
        objects[key] = stamped
        self._record(change)
        return stamped

    def delete(self, key: Key) -> Object:
        """Remove an object; return it as it last was, with the resourceVersion of its removal.

        :raises KeyError: it does not exist.
        """
        last = self._objects[key.resource][key]
        revision = self.revision + 1
        with self._database:
            self._database.execute("BEGIN")
            self._database.execute("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", key)
            self._database.execute("UPDATE revision SET value = ?", (revision,))
        del self._objects[key.resource][key]
        removed = {**last, "metadata": {**last["metadata"], "resourceVersion": str(revision)}}
        self._record(Change(revision, key, last, None, encode(removed)))
        return removed

    def changes_after(self, revision: int) -> list[Change]:
        """Return all changes since a revision, the oldest first.

        :raises RevisionGoneError: nobody remembers that revision.
        """
        missing = self.revision - revision
        if missing < 0 or missing > len(self._history):
            raise RevisionGoneError(revision)
        return self._history[len(self._history) - missing :]

    @property
    def oldest_revision(self) -> int:
        """The first revision whose successors are remembered."""
        return self.revision - len(self._history)

    async def wait_for_change(self) -> None:
        """Return when the next change has been made."""
        await self._news.wait()

    def _at(self, resource: str, revision: int) -> dict[Key, Object]:
        objects = dict(self._objects.get(resource, {}))
        for change in reversed(self.changes_after(revision)):
            if change.key.resource != resource:
                continue
            if change.before is None:
                objects.pop(change.key, None)
            else:
                objects[change.key] = change.before
        return objects

    def _record(self, change: Change) -> None:
        self.revision = change.revision
        self._history.append(change)
        if len(self._history) >= 2 * self._history_length:
            del self._history[: self._history_length]
        self._publish()

    def _publish(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
