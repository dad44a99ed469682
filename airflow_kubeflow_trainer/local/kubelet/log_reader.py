"""Read a container's log as the kubelet serves it: from a file in CRI format, never whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.log_segments import (
    BLOCK_BYTES,
    Place,
    open_segment,
    segment_numbers,
    start_of_tail,
)

FOLLOW_SECONDS = 0.1
"""How often a followed log is looked at."""


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """What a reader asked for, with the API's names."""

    follow: bool = False
    tail_lines: int | None = None
    since: float | None = None
    """Seconds since the epoch; earlier lines are left out."""
    limit_bytes: int | None = None
    timestamps: bool = False


async def read_log(path: Path, options: LogOptions, *, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Give the log's text in blocks.

    :param ended: whether the container has ended, so that nothing will be added any more.
    """
    left = options.limit_bytes
    shown = _Formatter(options)
    async for records in _blocks(path, options, ended=ended):
        text = shown.text(records)
        if left is not None:
            text, left = text[:left], left - len(text)
        if text:
            yield text
        if left is not None and left <= 0:
            return


class _Formatter:
    """Turns whole records into text, as Kubernetes' kubelet does.

    What follows a part of a line, of whatever stream, goes on in that line and has no timestamp.
    """

    def __init__(self, options: LogOptions) -> None:
        self._timestamps = options.timestamps
        self._since = options.since
        self._within = False

    def text(self, records: list[bytes]) -> bytes:
        return b"".join(self._one(record) for record in records)

    def _one(self, record: bytes) -> bytes:
        parts = record.split(b" ", 3)
        if len(parts) < 4:
            # What a write that failed has left.
            return b""
        moment, _, tag, text = parts
        if self._since is not None:
            if objects.parse_time(moment[:26].decode() + "+00:00") < self._since:
                return b""
            self._since = None
        stamp = moment + b" " if self._timestamps and not self._within else b""
        self._within = tag == b"P"
        return stamp + text + (b"" if self._within else b"\n")


async def _blocks(log: Path, options: LogOptions, *, ended: Callable[[], bool]) -> AsyncIterator[list[bytes]]:
    place = await asyncio.to_thread(_start, log, options)
    number, rest = place.segment, b""
    file = open_segment(log, number)
    try:
        file.seek(place.offset)
        while True:
            # Asked before reading: what is written before the end, of the segment or of all, is read for certain.
            later = [other for other in segment_numbers(log) if other > number]
            over = ended() or not options.follow
            data = await asyncio.to_thread(file.read, BLOCK_BYTES)
            if data:
                *records, rest = (rest + data).split(b"\n")
                yield records
            elif later:
                file.close()
                number = later[0]
                file = open_segment(log, number)
            elif over:
                return
            else:
                await asyncio.sleep(FOLLOW_SECONDS)
    finally:
        file.close()


def _start(log: Path, options: LogOptions) -> Place:
    if options.tail_lines is not None:
        return start_of_tail(log, options.tail_lines)
    numbers = segment_numbers(log)
    if not numbers:
        raise FileNotFoundError(log)
    return Place(numbers[0])
