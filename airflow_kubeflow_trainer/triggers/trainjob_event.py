"""TrainJobEventTrigger: an asset that changes when a TrainJob ends, whoever made it."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import aclosing
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_kubeflow_trainer.config.arguments import namespace_name, one_of, optional_text, truth
from airflow_kubeflow_trainer.hooks import DEFAULT_CONN_ID
from airflow_kubeflow_trainer.trainjob.selectors import check_selector

UNTIL = ("complete", "failed", "finished")


class TrainJobEventTrigger(BaseEventTrigger):
    """Fires an event for each TrainJob of a namespace that ends; for the watcher of an asset.

    What has ended when it looks for the first time is not told. The event's payload has the TrainJob's name, namespace,
    uid and labels, its outcome (``complete`` or ``failed``), reason, message and ended_at.

    :param label_selector: of the TrainJobs, such as ``team=nlp,stage!=test``. Default: all of the namespace.
    :param until: ``finished`` (default), or only ``complete`` or ``failed``.
    :param kubernetes_conn_id: Airflow connection of type ``kubernetes``. Default ``kubernetes_default``. None: the
        service account of Airflow's own pod, else the default kubeconfig.
    :param namespace: Kubernetes namespace. Default: the connection's, else ``default``.
    :param in_cluster: use the service account of Airflow's own pod. Default: what the connection says.
    :param config_file: path of a kubeconfig on the triggerer. Default: what the connection says.
    :param cluster_context: context of the kubeconfig. Default: what the connection says.
    """

    def __init__(
        self,
        *,
        label_selector: str | None = None,
        until: str = "finished",
        kubernetes_conn_id: str | None = DEFAULT_CONN_ID,
        namespace: str | None = None,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        selector = optional_text(label_selector, field="label_selector")
        self.label_selector = None if selector is None else check_selector(selector)
        self.until = str(one_of(until, UNTIL, field="until"))
        self.kubernetes_conn_id = optional_text(kubernetes_conn_id, field="kubernetes_conn_id")
        self.namespace = namespace_name(namespace)
        self.in_cluster = None if in_cluster is None else truth(in_cluster, field="in_cluster")
        self.config_file = optional_text(config_file, field="config_file")
        self.cluster_context = optional_text(cluster_context, field="cluster_context")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        # By these Airflow knows whether two triggers are one, and whether it has stored one already: plain values, all
        # of them, in one order.
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"label_selector": self.label_selector, "until": self.until, **self._cluster},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Tell of ends where Airflow does not say whether its events arrive: before 3.3."""
        from airflow_kubeflow_trainer.triggers.ends import Memory, news

        memory = await Memory.load(self._store, self.serialize()[1])
        async with aclosing(news(self._cluster, self.label_selector)) as all_news:
            async for found in all_news:
                for event in self._events(found, memory):
                    yield event
                await memory.keep([found])

    def shared_stream_key(self) -> Hashable | None:
        """Give every trigger a stream of its own: what they share is the watch. Airflow 3.3 and later."""
        known = importlib.util.find_spec("airflow.triggers.shared_stream") is not None
        return repr(self.serialize()) if known and self._store is not None else None

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> Any:
        from airflow_kubeflow_trainer.triggers.telling import NewsProducer

        trigger = cls(**kwargs)
        return NewsProducer(trigger._cluster, trigger.label_selector)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        from airflow_kubeflow_trainer.triggers.ends import Memory

        memory = await Memory.load(self._store, self.serialize()[1])
        async for found in shared_stream:
            found.memory = memory
            for event in self._events(found, memory):
                yield event

    def _events(self, found: Any, memory: Any) -> Iterator[TriggerEvent]:
        for ended in memory.told.take(found.ended):
            # How it ended first is how it ended, also where that is not to be told.
            if self.until in ("finished", ended.outcome):
                yield TriggerEvent(ended.to_dict())  # type: ignore[no-untyped-call]

    @property
    def _store(self) -> Any:
        # Airflow sets it since 3.3, where the trigger watches for an asset.
        return getattr(self, "asset_state_store", None)

    @property
    def _cluster(self) -> dict[str, Any]:
        """The hook's arguments: names only."""
        return {
            "kubernetes_conn_id": self.kubernetes_conn_id,
            "namespace": self.namespace,
            "in_cluster": self.in_cluster,
            "config_file": self.config_file,
            "cluster_context": self.cluster_context,
        }
