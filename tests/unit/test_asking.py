"""What is asked of Airflow is answered, whatever becomes of who asks."""

from __future__ import annotations

import asyncio

import pytest

from airflow_kubeflow_trainer.hooks.asking import ask


async def test_a_question_under_way_gets_its_answer_where_the_trigger_is_cancelled() -> None:
    asked, may_answer, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def question() -> None:
        asked.set()
        await may_answer.wait()
        answered.set()

    trigger = asyncio.create_task(ask(question()))
    await asked.wait()

    trigger.cancel()

    with pytest.raises(asyncio.CancelledError):
        await trigger
    may_answer.set()
    async with asyncio.timeout(5):
        await answered.wait()
