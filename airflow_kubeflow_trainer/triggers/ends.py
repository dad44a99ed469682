"""The ends of a namespace's TrainJobs as news, and the memory of those that have been told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.cluster.observing import batches
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import words_of
from airflow_kubeflow_trainer.hooks.asking import ask
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.trainjob.ended import Ended, Told
from airflow_kubeflow_trainer.trainjob.selectors import Selector, parse_selector

AGAIN_SECONDS = 30.0
"""Between two tries, where the cluster cannot be asked."""

log = logging.getLogger(__name__)


class Memory:
    """Which ends have been told, kept in Airflow's store for the asset where there is one (since 3.3).

    :param store: None remembers for as long as this process lives.
    """

    def __init__(self, told: Told, store: Any, key: str) -> None:
        self.told = told
        self._store = store
        self._key = key
        self._written: dict[str, Any] | None = None

    @classmethod
    async def load(cls, store: Any, arguments: Mapping[str, Any]) -> Memory:
        """Read what was told by a trigger with the same arguments."""
        digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:16]
        key = f"kubeflow_trainer_told_{digest}"
        if store is None:
            return cls(Told(), None, key)
        try:
            return cls(Told(await ask(store.aget(key))), store, key)
        except ValueError as error:
            # The store of several assets at once cannot be used without their names, which a trigger is not told.
            log.warning(
                "What was told is forgotten when the triggerer ends: share one asset between the DAGs (%s)", error
            )
            return cls(Told(), None, key)

    async def keep(self, arrived: Iterable[News]) -> None:
        """Take note of news that have arrived where they were to arrive."""
        for news in arrived:
            self.told.confirm(news.ended, there=news.there)
        stored = self.told.stored()
        if self._store is not None and stored != self._written:
            await ask(self._store.aset(self._key, stored))
            self._written = stored


@dataclass
class News:
    """What was seen at one time."""

    ended: list[Ended]
    there: frozenset[str] | None
    """The uids of all TrainJobs, where all were listed."""
    memory: Memory | None = None
    """Whoever tells of the news keeps them here, once they have arrived."""


async def news(cluster: Mapping[str, Any], label_selector: str | None) -> AsyncGenerator[News]:
    """Give all ends, those before the start included, as they are seen; for ever, whatever becomes of the cluster.

    :param cluster: arguments of :class:`KubeflowTrainerHook`.
    """
    selects = parse_selector(label_selector or "")
    while True:
        try:
            async with (
                KubeflowTrainerHook(**cluster).share() as shared,
                aclosing(batches(shared.feeds.trainjobs, None)) as changes,
            ):
                async for events in changes:
                    found = _news(events, selects)
                    if found.ended or found.there is not None:
                        yield found
        except Exception as error:  # noqa: BLE001 (Airflow would start us anew at once, again and again)
            words = words_of(error)
            log.error("The cluster cannot tell of TrainJobs, and is asked again in %g s: %s", AGAIN_SECONDS, words)
        await asyncio.sleep(AGAIN_SECONDS)


def _news(events: list[WatchEvent], selects: Selector) -> News:
    changed = [event.object for event in events if event.is_change]
    matching = [trainjob for trainjob in changed if selects(trainjob["metadata"].get("labels") or {})]
    ended = [one for one in map(Ended.of, matching) if one is not None]
    listed = [event.object["uids"] for event in events if event.type is WatchType.SYNCED]
    return News(ended, frozenset(listed[-1]) if listed else None)
