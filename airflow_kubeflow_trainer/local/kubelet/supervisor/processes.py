"""Find, weigh and kill the processes under one process, through /proc."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def own_number() -> int:
    """This process' number as /proc counts, which may be another namespace's /proc."""
    return int(os.readlink("/proc/self"))


def descendants(ancestor: int) -> list[int]:
    """All processes under one, by /proc's numbers."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError):
                children.setdefault(_parent(name), []).append(int(name))
    found, frontier = [], [ancestor]
    while frontier:
        frontier = [child for parent in frontier for child in children.get(parent, ())]
        found += frontier
    return found


def memory_exceeds(numbers: list[int], limit_bytes: int) -> bool:
    """Whether processes together use more memory than allowed, shared pages counted once (PSS).

    Reading PSS walks page tables, so it is read only where RSS, which is cheap and never smaller, is above the limit.
    """
    return _total(_rss, numbers) > limit_bytes and _total(_pss, numbers) > limit_bytes


def kill_descendants() -> None:
    """SIGKILL all processes under this one. One that is being forked just now may escape."""
    if os.getpid() == 1:
        # Of a PID namespace: everybody else in it.
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    else:
        for number in descendants(own_number()):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def kill_and_reap_descendants() -> None:
    """SIGKILL all processes under this one, until none is left."""
    while True:
        kill_descendants()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _parent(name: str) -> int:
    with open(f"/proc/{name}/stat", "rb") as file:
        # The command, in parentheses, may hold anything.
        return int(file.read().rpartition(b")")[2].split()[1])


def _total(weigh: Callable[[int], int], numbers: list[int]) -> int:
    total = 0
    for number in numbers:
        with suppress(OSError):
            total += weigh(number)
    return total


def _rss(number: int) -> int:
    with open(f"/proc/{number}/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


def _pss(number: int) -> int:
    with open(f"/proc/{number}/smaps_rollup", "rb") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:")), 0)
