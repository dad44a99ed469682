"""From a line of a log to what it says of progress. Most lines say nothing, and cost a microsecond or two."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airflow_kubeflow_trainer.trainjob.progress import bars, huggingface, plain, protocol, torchtune
from airflow_kubeflow_trainer.trainjob.progress.reading import Reading

MAX_LENGTH = 4_000
"""Characters of a line that are looked at; a line with a metric is short, a line with a tensor is not."""

_CURSOR = re.compile(r"\x1b\[[0-9;]*[A-HJKf]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def segments(text: str) -> Iterator[str]:
    """Give what stood on the screen one after another: progress bars overwrite themselves by carriage returns."""
    if "\x1b" in text:
        text = _COLOUR.sub("", _CURSOR.sub("\r", text))
    if "\r" not in text:
        yield text[:MAX_LENGTH]
        return
    for segment in text.split("\r"):
        if segment:
            yield segment[:MAX_LENGTH]


def readings(segment: str) -> Iterator[Reading]:
    """Give what one segment says, in the order in which it says it."""
    if protocol.MARK in segment:
        yield from _given(protocol.read_line(segment))
        return
    is_bar = bars.MARK in segment
    if torchtune.BAR_MARK in segment:
        yield from _given(torchtune.read_bar(segment))
    elif is_bar:
        yield from _given(bars.read_bar(segment))
    # A logger's line begins where a bar's ends: both go to the same terminal.
    if torchtune.STEP_MARK in segment and (said := torchtune.read_step(segment)) is not None:
        yield said
    elif not is_bar:
        yield from _given(_read_text(segment))


def _read_text(segment: str) -> Reading | None:
    if huggingface.MARK in segment:
        return huggingface.read_dict(segment)
    if not plain.may_speak(segment.lower()):
        return None
    stripped = segment.strip()
    if stripped.startswith("{"):
        return plain.read_json(stripped)
    return plain.read_pairs(stripped) if "=" in stripped or ":" in stripped else None


def _given(reading: Reading | None) -> Iterator[Reading]:
    if reading is not None:
        yield reading
