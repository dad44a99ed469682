"""One inbox, and the one who reads it."""

from __future__ import annotations

import asyncio

import pytest

from airflow_kubeflow_trainer.cluster.inbox import Inbox


async def test_who_waits_is_given_what_comes_and_the_rest_is_kept_in_order() -> None:
    inbox: Inbox[int] = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)

    for number in range(3):
        inbox.put(number)

    assert [await reading, await inbox.get(), *inbox.rest()] == [0, 1, 2]


async def test_a_reader_whose_time_runs_out_as_something_comes_loses_nothing() -> None:
    inbox: Inbox[str] = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)

    inbox.put("told")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert list(inbox.rest()) == ["told"]
