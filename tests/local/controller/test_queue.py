"""The work queue: no change is missed, and no key is worked on twice at a time."""

from __future__ import annotations

import asyncio

from airflow_kubeflow_trainer.local.controller.queue import WorkQueue


async def test_a_key_that_is_added_twice_comes_once():
    queue = WorkQueue[str]()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_a_key_that_is_added_while_it_is_worked_on_comes_again_afterwards():
    queue = WorkQueue[str]()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "b"
    queue.done("a")
    assert await queue.get() == "a"


async def test_a_key_comes_when_its_time_has_come():
    queue = WorkQueue[str]()
    queue.add_later("a", 0)
    assert await asyncio.wait_for(queue.get(), 5) == "a"


async def test_a_key_that_is_forgotten_does_not_come():
    queue = WorkQueue[str]()
    queue.add_later("a", 0)
    queue.forget("a")
    queue.add_later("b", 0)
    assert await asyncio.wait_for(queue.get(), 5) == "b"
