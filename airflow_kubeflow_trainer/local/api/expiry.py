"""Events are forgotten after an hour, as in Kubernetes: else they would fill the store for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from airflow_kubeflow_trainer.local.api.deletion import DeleteOptions
from airflow_kubeflow_trainer.local.api.registry import Place, Registry
from airflow_kubeflow_trainer.local.api.resources import EVENTS
from airflow_kubeflow_trainer.local.api.store import Store
from airflow_kubeflow_trainer.local.status import StatusError

EVENT_LIFETIME_SECONDS = 3600.0
_LOOK_EVERY_SECONDS = 60.0


class EventExpiry:
    """Deletes each event an hour after it was written last; after a restart, an hour after that."""

    def __init__(self, store: Store, registry: Registry, *, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._registry = registry
        self._now = now
        self._seen: dict[int, float] = {}
        """When each version was seen first."""

    async def run(self) -> None:
        """Look once a minute, until cancelled."""
        while True:
            # On a full disk nothing can be deleted either: it is tried again.
            with suppress(StatusError):
                self.look()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def look(self) -> None:
        """Delete the events whose time is over."""
        now = self._now()
        events = self._store.all(EVENTS)
        self._seen = {event.version: self._seen.get(event.version, now) for event in events}
        for event in events:
            if now - self._seen[event.version] >= EVENT_LIFETIME_SECONDS:
                self._registry.delete(Place(EVENTS, *event.key), DeleteOptions())
