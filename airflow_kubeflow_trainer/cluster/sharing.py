"""One of a kind for all who use it at the same time in one event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    manager: AbstractAsyncContextManager[T]
    opening: asyncio.Future[T]
    users: int = 0


class Shared(Generic[T]):
    """Opened for the first user of a key, closed after the last.

    Each event loop has its own: connections cannot leave theirs, and ``dag.test()`` makes one for every deferral. It
    is opened in an empty context, since what the first user's task carries along (its log, in a triggerer) is its own.
    """

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Entry[T]]] = WeakKeyDictionary()

    @asynccontextmanager
    async def use(self, key: Hashable, make: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
        """Give what stands for the key; ``make`` opens it where nobody uses it yet."""
        entries = self._loops.setdefault(asyncio.get_running_loop(), {})
        if key not in entries:
            manager = make()
            entries[key] = _Entry(manager, asyncio.create_task(_open(manager), context=contextvars.Context()))
        entry = entries[key]
        entry.users += 1
        try:
            # Shielded: a user who leaves early must not take it from those who wait beside.
            yield await asyncio.shield(entry.opening)
        finally:
            entry.users -= 1
            if entry.users == 0:
                del entries[key]
                await _close(entry)


async def _open(manager: AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


async def _close(entry: _Entry[T]) -> None:
    if entry.opening.done() and entry.opening.exception() is None:
        await entry.manager.__aexit__(None, None, None)
    else:
        entry.opening.cancel()
