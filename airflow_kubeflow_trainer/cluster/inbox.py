"""What has been told to one who waits, and is yet to be looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Things in the order in which they came, for one reader.

    An ``asyncio.Queue`` could do this, and takes three kilobytes, most of it for crowds of readers and writers. A
    triggerer has one of these for each task that waits.
    """

    __slots__ = ("_arrival", "_things")

    def __init__(self) -> None:
        self._things: list[T] = []
        self._arrival: asyncio.Future[None] | None = None
        """What the reader waits for, or waited for last."""

    def put(self, thing: T) -> None:
        """Add a thing."""
        self._things.append(thing)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def get(self) -> T:
        """Take the next thing; wait for it where there is none. One who is cancelled has taken nothing."""
        while not self._things:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self._things.pop(0)

    def rest(self) -> Iterator[T]:
        """Take one thing after another, until there is none."""
        while self._things:
            yield self._things.pop(0)
