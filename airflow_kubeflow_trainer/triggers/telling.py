"""Airflow's word that an event has arrived in its database: what a shared stream is for, since Airflow 3.3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_kubeflow_trainer.triggers.ends import Memory, News, news


class NewsProducer(SharedStreamProducer):
    """Gives the ends of TrainJobs, and has them remembered when the events made of them are stored.

    :param cluster: arguments of :class:`KubeflowTrainerHook`.
    """

    def __init__(self, cluster: Mapping[str, Any], label_selector: str | None) -> None:
        self._cluster = cluster
        self._label_selector = label_selector

    async def open_stream(self) -> AsyncIterator[tuple[News, News]]:
        async with aclosing(news(self._cluster, self._label_selector)) as all_news:
            async for found in all_news:
                yield found, found

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        arrived: dict[Memory, list[News]] = {}
        for item in batch:
            found: News = item.broker_payload
            # Those that did not arrive are told again by the trigger that Airflow starts in the failed one's place.
            if item.outcome.is_clean and found.memory is not None:
                arrived.setdefault(found.memory, []).append(found)
        for memory, all_news in arrived.items():
            await memory.keep(all_news)
