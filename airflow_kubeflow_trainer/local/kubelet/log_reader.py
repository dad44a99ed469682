"""Read a container's log as the kubelet serves it: from a file in CRI format, never whole in memory."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from airflow_kubeflow_trainer.local.kubelet import objects

BLOCK_BYTES = 256 * 1024
FOLLOW_SECONDS = 0.1
"""How often a followed log is looked at."""
_TAG_OFFSET = len("2026-01-01T00:00:00.000000000Z stdout ")


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
        moment, _, tag, text = record.split(b" ", 3)
        if self._since is not None:
            if objects.parse_time(moment[:26].decode() + "+00:00") < self._since:
                return b""
            self._since = None
        stamp = moment + b" " if self._timestamps and not self._within else b""
        self._within = tag == b"P"
        return stamp + text + (b"" if self._within else b"\n")


async def _blocks(path: Path, options: LogOptions, *, ended: Callable[[], bool]) -> AsyncIterator[list[bytes]]:
    rest = b""
    with path.open("rb") as file:
        if options.tail_lines is not None:
            file.seek(await asyncio.to_thread(_start_of_tail, path, options.tail_lines))
        while True:
            # Asked before reading: what is written before the end is read for certain.
            over = ended() or not options.follow
            data = await asyncio.to_thread(file.read, BLOCK_BYTES)
            if data:
                *records, rest = (rest + data).split(b"\n")
                yield records
            elif over:
                return
            else:
                await asyncio.sleep(FOLLOW_SECONDS)


def _start_of_tail(path: Path, lines: int) -> int:
    """Return where the last so many lines begin; a line that was written in parts counts once."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        if lines <= 0:
            return position
        found, rest, start = 0, b"", position
        while position > 0:
            size = min(BLOCK_BYTES, position)
            position -= size
            file.seek(position)
            block = file.read(size) + rest
            first = 0 if position == 0 else block.find(b"\n") + 1
            rest = block[:first]
            offset = len(block)
            # Not splitlines(): the carriage returns of a progress bar end no record.
            for record in reversed(io.BytesIO(block[first:]).readlines()):
                offset -= len(record)
                if record[_TAG_OFFSET : _TAG_OFFSET + 1] == b"F":
                    found += 1
                    if found > lines:
                        return start
                start = position + offset
    return start
