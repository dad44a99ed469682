"""Write a container's output as containerd does: one line ``TIME stdout|stderr F|P TEXT`` for each line of output."""

from __future__ import annotations

from .log_file import LogFile, record

LONGEST_LINE_BYTES = 16 * 1024
"""A longer line is written in parts, all but the last tagged P."""


class LogWriter:
    """Cuts streams of bytes into lines and appends them to a file, each with the time when it was complete."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._rest: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        self._in_part: set[str] = set()

    def feed(self, stream: str, data: bytes) -> None:
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        records = b"".join(self._records(stream, line, tag=b"F") for line in lines)
        while len(rest) >= LONGEST_LINE_BYTES:
            records += self._record(stream, rest[:LONGEST_LINE_BYTES], tag=b"P")
            rest = rest[LONGEST_LINE_BYTES:]
        self._rest[stream] = rest
        if records:
            self._file.append(records)

    def end(self) -> None:
        """Write what waits for its end of line: the output is over."""
        for stream, rest in self._rest.items():
            if rest or stream in self._in_part:
                self._file.append(self._record(stream, rest, tag=b"F"))
                self._rest[stream] = b""
        self._file.end()

    def _records(self, stream: str, line: bytes, *, tag: bytes) -> bytes:
        if len(line) <= LONGEST_LINE_BYTES:
            return self._record(stream, line, tag=tag)
        starts = range(0, len(line), LONGEST_LINE_BYTES)
        parts = [line[start : start + LONGEST_LINE_BYTES] for start in starts]
        records = [self._record(stream, part, tag=b"P") for part in parts[:-1]]
        return b"".join([*records, self._record(stream, parts[-1], tag=tag)])

    def _record(self, stream: str, text: bytes, *, tag: bytes) -> bytes:
        if tag == b"P":
            self._in_part.add(stream)
        else:
            self._in_part.discard(stream)
        return record(stream, text, tag=tag)
