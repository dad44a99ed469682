"""The files that a container's log lies in: which there are, and where its last lines begin.

What names them is :mod:`~airflow_kubeflow_trainer.local.kubelet.supervisor.log_file`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airflow_kubeflow_trainer.local.kubelet.supervisor.log_file import segment_name

BLOCK_BYTES = 256 * 1024
_TAG_OFFSET = len("2026-01-01T00:00:00.000000000Z stdout ")


@dataclass(frozen=True)
class Place:
    """A position in a log."""

    segment: int
    offset: int = 0


def segment_path(log: Path, number: int) -> Path:
    """Return where a segment lies, if it is there."""
    return log.with_name(segment_name(log.name, number))


def segment_numbers(log: Path) -> list[int]:
    """Return which segments there are, the oldest first."""
    prefix = f"{log.name}."
    numbers = []
    with suppress(FileNotFoundError):
        for name in (file.name for file in log.parent.iterdir()):
            if name == log.name:
                numbers.append(0)
            elif name.startswith(prefix) and name.removeprefix(prefix).isdecimal():
                numbers.append(int(name.removeprefix(prefix)))
    return sorted(numbers)


def open_segment(log: Path, number: int) -> BinaryIO:
    """Open a segment; one that has gone meanwhile, as the oldest do, is empty."""
    try:
        return segment_path(log, number).open("rb")
    except FileNotFoundError:
        return io.BytesIO()


def delete(log: Path) -> None:
    """Remove a log with all its segments."""
    for number in segment_numbers(log):
        segment_path(log, number).unlink(missing_ok=True)


def start_of_tail(log: Path, lines: int) -> Place:
    """Return where the last so many lines begin; a line that was written in parts counts once.

    :raises FileNotFoundError: there is no such log.
    """
    found, place = 0, None
    for here, record in _backwards(log):
        found += record[_TAG_OFFSET : _TAG_OFFSET + 1] == b"F"
        if place is not None and (found > lines or lines <= 0):
            return place
        place = here
    if place is None:
        raise FileNotFoundError(log)
    return place


def last_records(log: Path, size: int) -> list[bytes]:
    """Return whole records of the log's end, of so many bytes together, but at least the last one."""
    found: list[bytes] = []
    for _, record in _backwards(log):
        size -= len(record)
        if size < 0 and found:
            break
        found.append(record)
    return found[::-1]


def _backwards(log: Path) -> Iterator[tuple[Place, bytes]]:
    """Give each record with where it begins, the last first; before those of a segment its end, with no record."""
    for number in reversed(segment_numbers(log)):
        with open_segment(log, number) as file:
            position = file.seek(0, os.SEEK_END)
            yield Place(number, position), b""
            rest = b""
            while position > 0:
                size = min(BLOCK_BYTES, position)
                position -= size
                file.seek(position)
                block = file.read(size) + rest
                first = 0 if position == 0 else block.find(b"\n") + 1
                rest = block[:first]
                offset = position + len(block)
                # Not splitlines(): the carriage returns of a progress bar end no record.
                for record in reversed(io.BytesIO(block[first:]).readlines()):
                    offset -= len(record)
                    yield Place(number, offset), record
