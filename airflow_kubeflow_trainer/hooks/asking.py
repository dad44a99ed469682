"""Asking Airflow from a coroutine that may be cancelled at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


async def ask(question: Awaitable[T]) -> T:
    """Wait for Airflow's answer; where this is cancelled first, the question still gets it.

    All triggers of a triggerer share one channel to their supervisor. Before Airflow 3.2 the answer to a question that
    was given up stays in it, and whoever asks next ends the whole triggerer ("Response read out of order").
    """
    return await asyncio.shield(question)


class Together(Generic[K, T]):
    """Asks one question for all who want to know the same while the one before is on its way.

    A thousand tasks that are ended at once have half a minute, and Airflow answers one question after another. Nobody
    gets an answer to what was asked before he came: it may be older than what he wants to know.

    :param question: asks for all who have the same key.
    """

    def __init__(self, question: Callable[[K], Awaitable[T]]) -> None:
        self._question = question
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[asyncio.Lock, dict[K, asyncio.Task[T]]]]
        self._loops = WeakKeyDictionary()

    async def ask(self, key: K) -> T:
        """Wait for the answer; where this is cancelled first, the question still gets it."""
        turn, coming = self._loops.setdefault(asyncio.get_running_loop(), (asyncio.Lock(), {}))
        if key not in coming:
            coming[key] = asyncio.create_task(self._ask_in_turn(key, turn, coming))
        return await ask(coming[key])

    async def _ask_in_turn(self, key: K, turn: asyncio.Lock, coming: dict[K, asyncio.Task[T]]) -> T:
        async with turn:
            # Who comes from now on has to ask anew.
            del coming[key]
            return await self._question(key)
