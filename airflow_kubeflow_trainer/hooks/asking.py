"""Asking Airflow from a coroutine that may be cancelled at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def ask(question: Awaitable[T]) -> T:
    """Wait for Airflow's answer; where this is cancelled first, the question still gets it.

    All triggers of a triggerer share one channel to their supervisor. Before Airflow 3.2 the answer to a question that
    was given up stays in it, and whoever asks next ends the whole triggerer ("Response read out of order").
    """
    return await asyncio.shield(question)
