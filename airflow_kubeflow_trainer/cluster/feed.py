"""One LIST and WATCH for all who wait for something that it tells.

A triggerer waits for thousands of TrainJobs at once. Each of them watching for itself would cost a connection and a
share of the API server's memory apiece; here they share one request, and each is told only what is its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.patience import patiently
from airflow_kubeflow_trainer.cluster.resources import PODS, TRAINJOBS, WORKLOADS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.watch import GIVE_UP_SECONDS, Watch, WatchEvent, WatchType
from airflow_kubeflow_trainer.trainjob.pods import JOBSET_NAME_LABEL
from airflow_kubeflow_trainer.trainjob.slim import slim_pod, slim_trainjob, slim_workload

Tell = Callable[[WatchEvent | Exception], None]
"""What a subscriber is called with, from the feed's own task: it must not block, and does its work elsewhere.

An exception is the last thing that it is called with.
"""


class Source(Protocol):
    """Tells every object and then every change, as a Watch does."""

    def events(self) -> AsyncIterator[WatchEvent]: ...


class Feed:
    """One watch, begun with its first subscriber and ended with its last.

    :param watch: what is watched.
    :param owner: name of the TrainJob that an object belongs to.
    :param slim: reduces an object to what subscribers read, since all of them are kept.
    """

    def __init__(
        self,
        watch: Source,
        *,
        owner: Callable[[Mapping[str, Any]], str],
        slim: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._watch = watch
        self._owner = owner
        self._slim = slim
        self._subscribers: defaultdict[str | None, list[Tell]] = defaultdict(list)
        self._objects: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._synced = False
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def subscribe(self, name: str | None, tell: Tell) -> Iterator[None]:
        """Have everything told that belongs to the TrainJob of that name: what there is now, then each change.

        ``WatchType.SYNCED`` follows what there is.

        :param name: None tells of all TrainJobs.
        """
        self._subscribers[name].append(tell)
        if self._task is None:
            # In an empty context: what the first subscriber's task carries along (its log, in a triggerer) is its own.
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())
        else:
            self._catch_up(name, tell)
        try:
            yield
        finally:
            self._unsubscribe(name, tell)

    def _catch_up(self, name: str | None, tell: Tell) -> None:
        everything = self._objects.values() if name is None else [self._objects.get(name, {})]
        known = {uid: item for items in everything for uid, item in items.items()}
        for item in known.values():
            tell(WatchEvent(WatchType.ADDED, item))
        if self._synced:
            tell(WatchEvent(WatchType.SYNCED, {"uids": frozenset(known)}))

    def _unsubscribe(self, name: str | None, tell: Tell) -> None:
        self._subscribers[name].remove(tell)
        if not self._subscribers[name]:
            del self._subscribers[name]
        if not self._subscribers:
            self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task, self._synced = None, False
        self._objects.clear()

    async def _run(self) -> None:
        try:
            async for event in self._watch.events():
                self._take(event)
                # A list holds thousands, and each wakes somebody who has work to do.
                await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 (an error that nobody hears of would leave all who wait hanging)
            if self._task is asyncio.current_task():
                self._task = None
                self._stop()
            for tell in self._everybody():
                tell(error)

    def _take(self, event: WatchEvent) -> None:
        match event.type:
            case WatchType.SYNCED:
                self._drop_all_but(frozenset(event.object["uids"]))
                self._synced = True
                self._tell_everybody(event)
            case WatchType.INTERRUPTED | WatchType.RECOVERED:
                self._tell_everybody(event)
            case WatchType.DELETED:
                self._drop(self._owner(event.object), self._slim(event.object))
            case WatchType.ADDED | WatchType.MODIFIED:
                self._keep(event)

    def _keep(self, event: WatchEvent) -> None:
        name, uid = self._owner(event.object), event.object["metadata"]["uid"]
        known = self._objects[name].get(uid)
        # A list, asked for once more, repeats what has not changed.
        if known is not None and known["metadata"]["resourceVersion"] == event.object["metadata"]["resourceVersion"]:
            return
        item = self._slim(event.object)
        self._objects[name][uid] = item
        self._tell(name, WatchEvent(event.type, item))

    def _drop_all_but(self, uids: frozenset[str]) -> None:
        gone = [(name, item) for name, items in self._objects.items() for uid, item in items.items() if uid not in uids]
        for name, item in gone:
            self._drop(name, item)

    def _drop(self, name: str, item: dict[str, Any]) -> None:
        self._objects[name].pop(item["metadata"]["uid"], None)
        if not self._objects[name]:
            del self._objects[name]
        self._tell(name, WatchEvent(WatchType.DELETED, item))

    def _tell(self, name: str, event: WatchEvent) -> None:
        for tell in [*self._subscribers.get(name, ()), *self._subscribers.get(None, ())]:
            tell(event)

    def _tell_everybody(self, event: WatchEvent) -> None:
        for tell in self._everybody():
            tell(event)

    def _everybody(self) -> list[Tell]:
        return [tell for tells in self._subscribers.values() for tell in tells]


@dataclass(frozen=True)
class Feeds:
    """What a wait lives on: the states of TrainJobs and of their pods, and what Kueue says."""

    trainjobs: Feed
    pods: Feed
    workloads: Feed

    @classmethod
    def of_namespace(cls, api: TrainJobApi) -> Feeds:
        """Feed all who wait for TrainJobs of this namespace."""
        return cls._of(api, trainjobs={}, pods={"label_selector": JOBSET_NAME_LABEL})

    @classmethod
    def of_one(cls, api: TrainJobApi, name: str) -> Feeds:
        """Feed those who wait for one TrainJob, and ask for nothing else."""
        return cls._of(
            api,
            trainjobs={"field_selector": f"metadata.name={name}"},
            pods={"label_selector": f"{JOBSET_NAME_LABEL}={name}"},
        )

    @classmethod
    def _of(cls, api: TrainJobApi, *, trainjobs: dict[str, str], pods: dict[str, str]) -> Feeds:
        client, namespace = api.client, api.namespace
        return cls(
            Feed(Watch(client, TRAINJOBS, namespace=namespace, **trainjobs), owner=_own_name, slim=slim_trainjob),
            Feed(Watch(client, PODS, namespace=namespace, **pods), owner=_trainjob_of_pod, slim=slim_pod),
            Feed(_Workloads(client, namespace), owner=_trainjob_of_workload, slim=slim_workload),
        )


class _Workloads:
    """Kueue's Workloads, in whichever version of its API the cluster prefers."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def events(self) -> AsyncIterator[WatchEvent]:
        group = await patiently(lambda: self._client.get(f"/apis/{WORKLOADS.group}"), seconds=GIVE_UP_SECONDS)
        resource = replace(WORKLOADS, version=group["preferredVersion"]["version"])
        async for event in Watch(self._client, resource, namespace=self._namespace).events():
            yield event


def _own_name(trainjob: Mapping[str, Any]) -> str:
    name: str = trainjob["metadata"]["name"]
    return name


def _trainjob_of_pod(pod: Mapping[str, Any]) -> str:
    name: str = pod["metadata"].get("labels", {}).get(JOBSET_NAME_LABEL, "")
    return name


def _trainjob_of_workload(workload: Mapping[str, Any]) -> str:
    owners = workload["metadata"].get("ownerReferences") or []
    return next((str(owner["name"]) for owner in owners if owner.get("kind") == TRAINJOBS.kind), "")
