"""The channel of a triggerer's log lines: a socket, of which Airflow's supervisor reads four kilobytes a turn.

While it is full, a write holds up the event loop, and every trigger with it: twenty thousand lines at once did so for
ten seconds. What it still holds when a trigger has ended may go to the triggerer's own log and not to the task's, since
the supervisor hears of the end on another socket (``TriggerRunnerSupervisor._handle_request`` of Airflow 3.1 to 3.3).
So lines are told while there is room, and a trigger ends when all that it told is read.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import struct
import termios
import time

import structlog

HIGH_WATER = 64 * 1024
"""Bytes, of the 208 KiB that Linux lets such a socket hold."""
POLL_SECONDS = 0.02
FLUSH_SECONDS = 30.0
"""How long a trigger waits for a supervisor that does not read."""

_flushing = 0
"""How many triggers wait until all is read."""
_emptied = 0
"""How often somebody has found that all is read."""


async def drain() -> None:
    """Wait until a line can be written that holds up nobody: neither the event loop nor a trigger that would end."""
    while not (_is_empty() if _flushing else unread() <= HIGH_WATER):  # noqa: ASYNC110 (the kernel has no event for it)
        await asyncio.sleep(POLL_SECONDS)


async def flush(seconds: float = FLUSH_SECONDS) -> None:
    """Wait until what has been written so far is read, for so many seconds at most."""
    global _flushing
    until, before = time.monotonic() + seconds, _emptied
    _flushing += 1
    try:
        # Others write again as soon as one of them has found it empty.
        while not _is_empty() and _emptied == before and time.monotonic() < until:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(POLL_SECONDS)
    finally:
        _flushing -= 1


def _is_empty() -> bool:
    global _emptied
    empty = unread() == 0
    _emptied += empty
    return empty


def unread() -> int:
    """Say how many bytes of the kernel's memory hold lines that are not read yet; 0 where no socket takes them."""
    # Public in all but its documentation: what Airflow tells structlog to write to.
    stream = getattr(structlog.get_config()["logger_factory"], "io", None)
    try:
        channel = stream.fileno()  # type: ignore[union-attr]
        if not stat.S_ISSOCK(os.fstat(channel).st_mode):
            return 0
        (held,) = struct.unpack("i", fcntl.ioctl(channel, termios.TIOCOUTQ, bytes(4)))
    except (AttributeError, OSError, ValueError):
        return 0
    return int(held)
