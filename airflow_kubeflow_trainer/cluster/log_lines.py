"""One container's log, line by line: what a line is, how a raw one is read, and how it is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MAX_LINE = 4_000
"""Characters of one line that are kept; Airflow's log view is no place for more."""
LONGEST_LINE = 2**18
"""Bytes of one line that are held while it does not end; a progress bar is one line from its first step to its last."""


@dataclass(frozen=True)
class LogLine:
    """One line that a container wrote."""

    pod: str
    timestamp: datetime
    """When the container wrote it, by the clock of the pod's node."""
    text: str
    """As it is shown: progress bars folded, very long lines cut."""
    raw: str = ""
    """As it was written."""
    step: str = ""
    """Whose line it is, where it is not rank 0's: ``node-1``, ``dataset-initializer``."""


_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class LineReader:
    """Turns raw lines with timestamps into LogLines, and skips those that a reconnect repeats."""

    def __init__(self, pod: str, *, step: str = "") -> None:
        self.since: str | None = None
        """Timestamp of the latest line, as the server wrote it."""
        self.pod = pod
        self.moment: datetime | None = None
        """When the line was written that this connection gave last, told before or not."""
        self._step = step
        self._latest: datetime | None = None
        self._lines_at_latest = 0
        self._to_skip: int | None = None
        """While a reconnect repeats lines: how many of the latest moment are still to come."""

    def reconnected(self) -> None:
        """Expect the last lines once more: the server's ``sinceTime`` has whole seconds, and includes them."""
        self._to_skip = self._lines_at_latest if self._latest is not None else None
        self.moment = None

    def read(self, raw: bytes) -> LogLine | None:
        """Give the line, where it is a new one with something to see."""
        line = raw.decode(errors="replace")
        timestamp, _, rest = line.partition(" ")
        if not _TIMESTAMP.fullmatch(timestamp):
            # Something that the kubelet wrote of its own: better told with another time than lost.
            return self._line(self._latest or datetime.now(UTC), line)
        self.moment = moment = datetime.fromisoformat(timestamp)
        if self._is_repeated(moment):
            return None
        if self._latest is None or moment > self._latest:
            self.since, self._latest, self._lines_at_latest = timestamp, moment, 0
        # The two streams of a container may be out of order by a little.
        self._lines_at_latest += moment == self._latest
        return self._line(moment, rest)

    def _is_repeated(self, moment: datetime) -> bool:
        if self._to_skip is None or self._latest is None:
            return False
        if moment < self._latest:
            return True
        if moment == self._latest and self._to_skip > 0:
            self._to_skip -= 1
            return True
        self._to_skip = None
        return False

    def _line(self, moment: datetime, text: str) -> LogLine | None:
        shown = fold(text)
        return LogLine(self.pod, moment, shown, text, self._step) if shown else None


def fold(text: str) -> str:
    """Reduce a progress bar, which overwrites itself by carriage returns, to what stands there at last."""
    shown = next((part for part in reversed(text.split("\r")) if part.strip()), "").rstrip()
    if len(shown) > MAX_LINE:
        return f"{shown[:MAX_LINE]} ... [{len(shown) - MAX_LINE} more characters]"
    return shown


def just_before(moment: datetime) -> datetime:
    """Give the moment of a remark about what comes next, the same whoever reads it.

    Airflow sorts a log by whole milliseconds, so that the remark stands there also where it is told later.
    """
    return moment - timedelta(milliseconds=2)
