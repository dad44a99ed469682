"""The ends of TrainJobs as events, in the triggerer's own machinery: told once where they arrive, else again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from airflow.triggers.shared_stream import SharedStreamManager

from airflow_kubeflow_trainer import TrainJobEventTrigger
from airflow_kubeflow_trainer.triggers import ends
from tests.local.sensors.conftest import SomebodyElse
from tests.proxy import Proxy, status


class Store(dict[str, Any]):
    """Airflow's store for the state of one asset."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    async def aget(self, key: str) -> Any:
        return self.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self[key] = value
        self.written.set()


class Triggerer:
    """One triggerer's life, with one trigger, as `TriggerRunner` runs it."""

    def __init__(self, trigger: TrainJobEventTrigger, store: Store | None) -> None:
        trigger.asset_state_store = store  # type: ignore[assignment]
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.stores = True
        self._trigger = trigger
        self._streams = SharedStreamManager()
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        key = self._trigger.shared_stream_key()
        if key is None:
            async for event in self._trigger.run():
                self.events.put_nowait(event.payload)
            return
        stream = self._streams.subscribe(trigger_id=1, trigger=self._trigger, key=key)
        async for event in self._trigger.filter_shared_stream(stream):
            seq = self._streams.bind_pending_event(trigger_id=1, key=key)
            self.events.put_nowait(event.payload)
            if self.stores and seq is not None:
                asyncio.get_running_loop().call_soon(self._streams.confirm_persisted, [seq])

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            return await self.events.get()

    async def die(self) -> None:
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await self._streams.stop_all()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def start(proxy: Proxy, somebody_else: SomebodyElse) -> AsyncIterator[Callable[..., Any]]:
    """Start a triggerer, and wait until it has looked for the first time."""
    started: list[Triggerer] = []

    async def start(store: Store | None, *, answered: bool = True, **arguments: Any) -> Triggerer:
        before = proxy.count("watch")
        trigger = TrainJobEventTrigger(
            kubernetes_conn_id="watched", label_selector=f"test={somebody_else.label}", **arguments
        )
        triggerer = Triggerer(trigger, store)
        started.append(triggerer)
        if not answered:
            return triggerer
        async with asyncio.timeout(30):
            while proxy.count("watch") == before:
                await asyncio.sleep(0.02)
            if store is not None:
                await store.written.wait()
        return triggerer

    yield start
    for triggerer in started:
        await triggerer.die()


async def end(somebody_else: SomebodyElse, script: str = "true") -> dict[str, Any]:
    """Let a TrainJob run to its end."""
    return await asyncio.to_thread(somebody_else.submit_and_end, script)


@pytest.mark.parametrize("remembered", [True, False], ids=["with a store", "without one"])
async def test_each_end_is_told_once_and_says_whose_it_is(
    start: Any, store: Store, somebody_else: SomebodyElse, remembered: bool
) -> None:
    await end(somebody_else)
    triggerer = await start(store if remembered else None)

    good, bad = await end(somebody_else), await end(somebody_else, "exit 3")

    told = [await triggerer.next(), await triggerer.next()]
    assert [(one["uid"], one["outcome"]) for one in told] == [
        (good["metadata"]["uid"], "complete"),
        (bad["metadata"]["uid"], "failed"),
    ]
    assert told[0]["name"] == good["metadata"]["name"]
    assert told[0]["namespace"] == "default"
    assert told[0]["labels"] == {"test": somebody_else.label}
    assert told[1]["reason"] == "FailedJobs"
    assert triggerer.events.empty()


async def test_only_the_ends_that_are_asked_for_are_told(start: Any, store: Store, somebody_else: SomebodyElse) -> None:
    triggerer = await start(store, until="failed")

    await end(somebody_else)
    bad = await end(somebody_else, "exit 3")

    assert (await triggerer.next())["uid"] == bad["metadata"]["uid"]


async def test_what_ends_while_no_triggerer_lives_is_told_by_the_next_and_nothing_else(
    start: Any, store: Store, somebody_else: SomebodyElse
) -> None:
    await end(somebody_else)
    first = await start(store)
    store.written.clear()
    await end(somebody_else)
    await first.next()
    await store.written.wait()
    await first.die()

    meanwhile = await end(somebody_else)
    second = await start(store)

    assert (await second.next())["uid"] == meanwhile["metadata"]["uid"]
    assert second.events.empty()


async def test_an_event_that_airflow_has_not_stored_is_told_again(
    start: Any, store: Store, somebody_else: SomebodyElse
) -> None:
    first = await start(store)
    first.stores = False
    ended = await end(somebody_else)
    assert (await first.next())["uid"] == ended["metadata"]["uid"]
    await first.die()

    second = await start(store)

    assert (await second.next())["uid"] == ended["metadata"]["uid"]


async def test_without_a_store_nothing_is_told_twice_and_what_ends_meanwhile_is_not_told(
    start: Any, somebody_else: SomebodyElse
) -> None:
    first = await start(None)
    await end(somebody_else)
    await first.next()
    await first.die()
    await end(somebody_else)

    second = await start(None)
    later = await end(somebody_else)

    assert (await second.next())["uid"] == later["metadata"]["uid"]


async def test_a_cluster_that_refuses_is_asked_again_and_no_end_is_lost(
    start: Any, store: Store, somebody_else: SomebodyElse, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "AGAIN_SECONDS", 0.1)
    first = await start(store)
    await first.die()
    ended = await end(somebody_else)
    proxy.fault = lambda request: status(403, "Forbidden")

    second = await start(store, answered=False)
    refused = len(proxy.requests)
    await proxy.until(lambda: len(proxy.requests) > refused + 1)
    proxy.fault = lambda request: None

    assert (await second.next())["uid"] == ended["metadata"]["uid"]


async def test_a_trigger_of_two_assets_still_tells(start: Any, somebody_else: SomebodyElse) -> None:
    class Stores(Store):
        async def aget(self, key: str) -> Any:
            raise ValueError("Task has 2 concrete inlets and outlets")

    stores = Stores()
    stores.written.set()
    triggerer = await start(stores)

    ended = await end(somebody_else)

    assert (await triggerer.next())["uid"] == ended["metadata"]["uid"]
