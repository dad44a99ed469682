"""The objects: in memory for reading, in SQLite for keeping, with a bounded history for watches."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.status import StatusError, expired

log = logging.getLogger(__name__)

HISTORY_LENGTH = 10_000
"""Changes that are remembered for each resource; who has missed more must list again."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (only INTEGER PRIMARY KEY CHECK (only = 0), version INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES (0, 1);
"""

_REMEDY = "If its disk is full, free some space there: nothing needs to be started again"

Key = tuple[str, str]
"""Namespace ("" for cluster-wide objects) and name."""


@dataclass(frozen=True)
class Stored:
    """One version of one object. Nobody changes `object` in place."""

    object: dict[str, Any]
    text: bytes
    """The object as JSON."""
    version: int

    @property
    def key(self) -> Key:
        metadata = self.object["metadata"]
        return metadata.get("namespace", ""), metadata["name"]


class ChangeType(StrEnum):
    """What a watch calls it."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True)
class Change:
    """What happened to one object, and what it was before."""

    type: ChangeType
    stored: Stored
    previous: Stored | None

    @property
    def version(self) -> int:
        return self.stored.version


class _Shelf:
    """All objects of one resource."""

    def __init__(self, floor: int) -> None:
        self.objects: dict[Key, Stored] = {}
        self.history: deque[Change] = deque()
        self.floor = floor
        """Changes up to this version are not remembered."""
        self.listeners: set[Callable[[], None]] = set()


class Store:
    """Every write goes to the disk, to memory and to the watchers in one step that nothing can come between.

    It belongs to one event loop: no method awaits, so no lock is needed.
    """

    def __init__(self, file: Path, *, history_length: int = HISTORY_LENGTH) -> None:
        """Open the store, or make it.

        :raises sqlite3.DatabaseError: the file is no store.
        """
        self._file = file
        self._writable = True
        self._history_length = history_length
        self._database = _open(file)
        self._version = int(self._database.execute("SELECT version FROM counter").fetchone()[0])
        # The history does not outlive the process: who watched before a restart lists again.
        self._oldest = self._version
        self._shelves: dict[str, _Shelf] = {}
        for resource, body in self._database.execute("SELECT resource, body FROM objects"):
            stored = _stored(json.loads(body))
            self._shelf(resource).objects[stored.key] = stored

    def close(self) -> None:
        self._database.close()

    @property
    def version(self) -> int:
        """The version of the latest write, of any resource."""
        return self._version

    def get(self, resource: ApiResource, key: Key) -> Stored | None:
        return self._shelf(resource.key).objects.get(key)

    def all(self, resource: ApiResource, *, namespace: str | None = None) -> list[Stored]:
        """Return the objects in the order of namespace and name."""
        return _in_order(self._shelf(resource.key).objects, namespace)

    def all_at(self, resource: ApiResource, version: int, *, namespace: str | None = None) -> list[Stored]:
        """Return the objects as they were at an earlier version, in the order of namespace and name.

        :raises StatusError: 410, that is too long ago.
        """
        shelf = self._shelf(resource.key)
        objects = dict(shelf.objects)
        for change in reversed(self.changes_since(resource, version)):
            if change.previous is None:
                del objects[change.stored.key]
            else:
                objects[change.stored.key] = change.previous
        return _in_order(objects, namespace)

    def changes_since(self, resource: ApiResource, version: int) -> list[Change]:
        """Return what happened after a version, oldest first.

        :raises StatusError: 410, that is too long ago.
        """
        shelf = self._shelf(resource.key)
        if version < shelf.floor:
            raise expired(f"too old resource version: {version} ({shelf.floor})")
        found: list[Change] = []
        for change in reversed(shelf.history):
            if change.version <= version:
                break
            found.append(change)
        found.reverse()
        return found

    @contextmanager
    def listening(self, resource: ApiResource, listener: Callable[[], None]) -> Iterator[None]:
        """Call the listener after each change of a resource, while the context lasts."""
        listeners = self._shelf(resource.key).listeners
        listeners.add(listener)
        try:
            yield
        finally:
            listeners.discard(listener)

    def put(self, resource: ApiResource, obj: dict[str, Any]) -> Stored:
        """Create or replace an object; it gets the next resourceVersion. The given dictionary is kept.

        :raises StatusError: 500, the disk does not take it.
        """
        stored = self._next(obj)
        shelf = self._shelf(resource.key)
        previous = shelf.objects.get(stored.key)
        with self._writing():
            row = (resource.key, *stored.key, stored.text.decode())
            self._database.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", row)
            self._save_version(stored.version)
        shelf.objects[stored.key] = stored
        self._publish(shelf, Change(ChangeType.MODIFIED if previous else ChangeType.ADDED, stored, previous))
        return stored

    def remove(self, resource: ApiResource, obj: dict[str, Any]) -> Stored:
        """Remove an object; returns its last state, with the version of its removal.

        :raises StatusError: 500, the disk does not take it.
        """
        stored = self._next(obj)
        shelf = self._shelf(resource.key)
        with self._writing():
            row = (resource.key, *stored.key)
            self._database.execute("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", row)
            self._save_version(stored.version)
        self._publish(shelf, Change(ChangeType.DELETED, stored, shelf.objects.pop(stored.key)))
        return stored

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Commit what is written, or none of it."""
        try:
            with self._database:
                yield
        except sqlite3.Error as error:
            if self._writable:
                log.error("%s cannot be written: %s", self._file, error)
            self._writable = False
            why = f"the cluster's folder {self._file.parent} cannot be written: {error}. {_REMEDY}"
            raise StatusError(500, "InternalError", f"Internal error occurred: {why}") from error
        self._writable = True

    def _next(self, obj: dict[str, Any]) -> Stored:
        metadata = {**obj["metadata"], "resourceVersion": str(self._version + 1)}
        return _stored({**obj, "metadata": metadata})

    def _save_version(self, version: int) -> None:
        self._database.execute("UPDATE counter SET version = ?", (version,))

    def _publish(self, shelf: _Shelf, change: Change) -> None:
        self._version = change.version
        shelf.history.append(change)
        if len(shelf.history) > self._history_length:
            shelf.floor = shelf.history.popleft().version
        for listener in list(shelf.listeners):
            listener()

    def _shelf(self, key: str) -> _Shelf:
        if key not in self._shelves:
            self._shelves[key] = _Shelf(floor=self._oldest)
        return self._shelves[key]


def _open(file: Path) -> sqlite3.Connection:
    # Secrets lie in it: it is made with its mode, and SQLite gives the same to its other files.
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    file.chmod(0o600)
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = WAL")
    # What is committed is with the operating system, and so survives the death of this process. FULL would wait for the
    # disk at each write to survive a power cut as well, which no process of this cluster does.
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(_SCHEMA)
    return database


def _stored(obj: dict[str, Any]) -> Stored:
    text = json.dumps(obj, separators=(",", ":")).encode()
    return Stored(obj, text, int(obj["metadata"]["resourceVersion"]))


def _in_order(objects: dict[Key, Stored], namespace: str | None) -> list[Stored]:
    return [objects[key] for key in sorted(objects) if namespace is None or key[0] == namespace]
