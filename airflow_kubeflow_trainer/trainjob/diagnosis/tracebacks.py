"""Reading Python's tracebacks out of the last lines of a log.

A traceback counts only where the process died of it: one that was logged and got over is followed by other lines.
Several processes of one pod write into one log; torch marks the lines of each with its rank, and torchrun says which
failed first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

AFTERMATH = 40
"""Lines that may follow the traceback that a process died of: what other parts of it have to say at their own end."""
MAX_MESSAGE_LINES = 8
MAX_MESSAGE = 1_500

_HEAD = re.compile(r"(Original )?Traceback \(most recent call last\):")
_CHAINED = re.compile(
    r"(?:The above exception was the direct cause of the following exception|"
    r"During handling of the above exception, another exception occurred):"
)
_EXCEPTION = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Z_]\w*)(?:: ?(.*))?")
_RANK = re.compile(r"\[(?:rank|default)(\d+)\]: ?")
_ASIDE = re.compile(r"\[?(?:rank\d+\]:)?\[?[WEIF]\d{4} |frame #\d+:|Exception raised from |\s*$")
"""What native code and torch's own logger write; it is no sign that the program went on."""
_LOGGED = re.compile(r"\[?[WEIF]\d{4} ")
_LAUNCHERS = ("ChildFailedError", "CalledProcessError", "SystemExit", "KeyboardInterrupt")
"""Raised because a child of theirs failed, of which they say nothing."""
_FIRST_TO_FAIL = re.compile(r"\s+rank\s+: (\d+) ")


@dataclass(frozen=True)
class Raised:
    """One exception of a traceback."""

    kind: str
    """Its type, with its module where Python prints one."""
    message: str
    """Its words, which may have several lines."""
    frames: str
    """The lines that say where it was raised."""

    @property
    def text(self) -> str:
        return f"{self.kind}: {self.message}" if self.message else self.kind

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0].strip()


@dataclass
class Chain:
    """A traceback: the exception that it began with, and those that it led to."""

    raised: list[Raised]
    rank: int | None
    end: int
    """Index of its last line."""

    @property
    def is_launchers(self) -> bool:
        return self.raised[-1].kind.rpartition(".")[2] in _LAUNCHERS


@dataclass
class _Reading:
    """What one process has written so far of a traceback."""

    raised: list[Raised] = field(default_factory=list)
    wrapper: Raised | None = None
    """An exception of DataLoader's, whose message holds the traceback of a worker."""
    frames: list[str] = field(default_factory=list)
    kind: str | None = None
    message: list[str] = field(default_factory=list)
    in_frames: bool = False
    chained: bool = False
    end: int = 0


def fatal_chains(lines: Sequence[str]) -> list[Chain]:
    """Give the tracebacks that the processes died of, those of the process that failed first before others'."""
    chains = [chain for chain in read(lines) if _is_last_word(chain, lines)]
    programs = [chain for chain in chains if not chain.is_launchers]
    first = first_to_fail(lines)
    last: dict[int | None, Chain] = {chain.rank: chain for chain in programs}
    if first is not None and first not in last:
        # Before processes know their rank, their lines bear no mark, and those of several may stand side by side.
        return programs
    return sorted(last.values(), key=lambda chain: (chain.rank != first, chain.end))


def first_to_fail(lines: Sequence[str]) -> int | None:
    """Give the rank that torchrun's summary calls the root cause."""
    found = None
    for index, line in enumerate(lines):
        if line.startswith("Root Cause (first observed failure):"):
            ranks = [match[1] for follower in lines[index : index + 8] if (match := _FIRST_TO_FAIL.match(follower))]
            found = int(ranks[0]) if ranks else found
    return found


def outputs(lines: Sequence[str]) -> list[str]:
    """Give the lines that may be matched one by one: of torchrun's summary only what it calls the root cause."""
    kept: list[str] = []
    in_failures = False
    for line in lines:
        if line.startswith(("Failures:", "Root Cause (first observed failure):", "=====")):
            in_failures = line.startswith("Failures:")
        if not in_failures:
            kept.append(line.strip())
    return kept


def read(lines: Iterable[str]) -> list[Chain]:
    """Find all tracebacks."""
    chains: list[Chain] = []
    readings: dict[int | None, _Reading] = {}
    for index, line in enumerate(lines):
        marked = _RANK.match(line)
        rank = int(marked[1]) if marked else None
        text = line[marked.end() :] if marked else line
        reading = readings.setdefault(rank, _Reading())
        if _begins_another(reading, text):
            _close(chains, reading, rank)
            reading = readings[rank] = _Reading()
        if not _take(reading, text, index):
            _close(chains, readings.pop(rank), rank)
    for rank, reading in readings.items():
        _close(chains, reading, rank)
    return sorted(chains, key=lambda chain: chain.end)


def _begins_another(reading: _Reading, text: str) -> bool:
    """Whether a line begins a traceback that has nothing to do with the one being read."""
    head = _HEAD.fullmatch(text.strip())
    return (
        head is not None and head[1] is None and not reading.chained and (reading.kind is not None or reading.in_frames)
    )


def _take(reading: _Reading, text: str, index: int) -> bool:
    """Take one line of a process; False where it ends a traceback."""
    head = _HEAD.fullmatch(text.strip())
    if head is not None:
        if head[1] is not None and reading.kind is not None:
            reading.wrapper = Raised(reading.kind, _joined(reading.message), "")
        reading.kind, reading.message, reading.frames = None, [], []
        reading.in_frames, reading.chained = True, False
        return True
    if reading.in_frames:
        return _take_frame(reading, text, index)
    if reading.kind is not None:
        return _take_message(reading, text)
    # Between two that are chained there is an empty line.
    return reading.chained and not text.strip()


def _take_message(reading: _Reading, text: str) -> bool:
    if _CHAINED.fullmatch(text.strip()):
        _finish_exception(reading)
        reading.chained = True
        return True
    if len(reading.message) > MAX_MESSAGE_LINES or _LOGGED.match(text):
        return False
    reading.message.append(text)
    return True


def _take_frame(reading: _Reading, text: str, index: int) -> bool:
    if not text.strip() or text[0].isspace() or text.startswith("^"):
        reading.frames.append(text)
        return True
    reading.in_frames = False
    found = _EXCEPTION.fullmatch(text.rstrip())
    if found is None:
        return False
    reading.kind, reading.message, reading.end = found[1], [found[2] or ""], index
    return True


def _finish_exception(reading: _Reading) -> None:
    if reading.kind is not None:
        reading.raised.append(Raised(reading.kind, _joined(reading.message), "\n".join(reading.frames)))
        if reading.wrapper is not None:
            reading.raised.append(reading.wrapper)
    reading.kind, reading.wrapper = None, None


def _close(chains: list[Chain], reading: _Reading, rank: int | None) -> None:
    _finish_exception(reading)
    if reading.raised:
        chains.append(Chain(reading.raised, rank, reading.end))


def _joined(message: list[str]) -> str:
    return "\n".join(line.rstrip() for line in message).strip()[:MAX_MESSAGE]


def _is_last_word(chain: Chain, lines: Sequence[str]) -> bool:
    """Whether the process that wrote it wrote little else afterwards."""
    mark = _RANK.match(lines[chain.end])
    after = [line for line in lines[chain.end + 1 :] if not _ASIDE.match(line)]
    if mark is not None:
        after = [line for line in after if line.startswith(mark[0].rstrip())]
    return len(_outside_of_tracebacks(after)) <= AFTERMATH


def _outside_of_tracebacks(lines: Iterable[str]) -> list[str]:
    kept: list[str] = []
    inside = in_summary = False
    for line in lines:
        text = _RANK.sub("", line, count=1)
        if line.startswith("====="):
            in_summary = not in_summary
        elif _HEAD.fullmatch(text.strip()):
            inside = True
        elif inside and text[:1].isspace():
            continue
        elif not in_summary:
            inside = False
            kept.append(line)
    return kept
