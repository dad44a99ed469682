"""A container's log on disk: bounded, and no reason to stop the container where it cannot be written.

It lies in segments: ``0.log``, then ``0.log.1``, ``0.log.2`` and so on. A higher number is newer, and only the last few
are kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress


def segment_name(log_name: str, number: int) -> str:
    """Return the name of a log's segment; the first has the log's own."""
    return f"{log_name}.{number}" if number else log_name


def record(stream: str, text: bytes, *, tag: bytes = b"F") -> bytes:
    """Return a line as containerd writes it: ``TIME stdout|stderr F|P TEXT``."""
    return b"%s %s %s %s\n" % (timestamp(time.time_ns()), stream.encode(), tag, text)


def timestamp(nanoseconds: int) -> bytes:
    """Return RFC 3339 with nine digits of a second, in UTC."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % rest


class LogFile:
    """Takes records; what cannot be written is lost, and marked as lost where it would have stood.

    The file's folder is held open, so that it is found from within a container, too.

    :param segment_bytes: a segment that has as many gets no more records.
    :param segments: how many are kept.
    :param on_failure: called once, with the reason, when records are lost for the first time.
    :raises OSError: the first segment cannot be made.
    """

    def __init__(self, path: str, *, segment_bytes: int, segments: int, on_failure: Callable[[str], None]) -> None:
        folder, self._name = os.path.split(path)
        self._folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._segment_bytes = segment_bytes
        self._segments = segments
        self._on_failure = on_failure
        self._number = 0
        self._fd = self._open(0)
        self._size = 0
        self._torn = False
        """Whether the file ends within a record."""
        self._failure: str | None = None
        self._lost_lines = 0

    def append(self, records: bytes) -> None:
        """Write whole records."""
        self._mark_loss()
        if self._lost_lines:
            self._lost_lines += records.count(b"\n")
        else:
            self._lost_lines = self._write(records).count(b"\n")

    def end(self) -> None:
        """Say what was lost, if there is room to say it: nothing more will come."""
        self._mark_loss()

    def _mark_loss(self) -> None:
        if not self._lost_lines:
            return
        lines = f"{self._lost_lines} line{'s' if self._lost_lines > 1 else ''}"
        text = f"[{lines} lost here: the log could not be written: {self._failure}]"
        if not self._write(record("stderr", text.encode())):
            self._lost_lines = 0

    def _write(self, records: bytes) -> bytes:
        """Return what could not be written."""
        if self._size >= self._segment_bytes:
            with suppress(OSError):
                self._begin_segment()
        view = b"\n" + records if self._torn else records
        try:
            while view:
                written = os.write(self._fd, view)
                self._size += written
                self._torn = view[written - 1 : written] != b"\n"
                view = view[written:]
        except OSError as error:
            self._fail(os.strerror(error.errno or 0))
        return view

    def _begin_segment(self) -> None:
        fd = self._open(self._number + 1)
        os.close(self._fd)
        self._fd, self._size, self._torn = fd, 0, False
        self._number += 1
        if self._number >= self._segments:
            os.unlink(segment_name(self._name, self._number - self._segments), dir_fd=self._folder_fd)

    def _open(self, number: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(segment_name(self._name, number), flags, 0o600, dir_fd=self._folder_fd)

    def _fail(self, reason: str) -> None:
        first, self._failure = self._failure is None, reason
        if first:
            self._on_failure(reason)
