"""Asking Airflow: from a coroutine that may be cancelled at any moment, and so that no answer is not taken for one."""

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


def is_undefined(conn_id: str) -> bool:
    """Whether Airflow's API server says that there is no such connection.

    Airflow's own lookup says so whatever has gone wrong: an API server that restarts, is overloaded, or out of reach.
    """
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection

    supervisor = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if supervisor is None:
        # Outside of tasks and triggers no API server is asked.
        return True
    try:
        answer = supervisor.send(GetConnection(conn_id=conn_id))
    except AirflowRuntimeError as error:
        answer = error.error
    return isinstance(answer, ErrorResponse) and answer.error is ErrorType.CONNECTION_NOT_FOUND
