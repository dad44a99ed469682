"""One known cause: the message that it alone covers, what that means, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, IntEnum

from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause


class Source(Enum):
    """Where a message stands; each is written as ``pattern`` meets it."""

    EXCEPTION = "a traceback"
    """``Type: message``, the type with its module where Python prints one; the message may have several lines."""
    OUTPUT = "a line of the log"
    CONTAINER = "how the container ended"
    """``Reason, exit code N[, signal N][: message]``."""
    DISRUPTION = "why the cluster took the pod away"
    """``Reason: message`` of the pod's condition DisruptionTarget, or of its status."""
    WAITING = "why the pod does not run, or a warning event"
    """``Reason: message`` of a waiting container, of the condition PodScheduled, of an event, or of Kueue's "
    "Workload."""
    TRAINJOB = "the TrainJob's condition Failed"
    """``Reason: message``."""


class Weight(IntEnum):
    """Which of several fitting entries counts."""

    CAUSE = 3
    """Nothing else makes this message."""
    GENERAL = 2
    """A message with many makers: a file that is missing, a name that is not known."""
    SYMPTOM = 1
    """What is seen where something else failed: a lost connection, a wait that was in vain."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the catalogue."""

    name: str
    source: Source
    pattern: re.Pattern[str]
    """Fits at the beginning of the message, and no other entry's message."""
    says: str
    """The cause, a sentence; ``{name}`` stands for a group of the pattern."""
    remedy: str
    cause: Cause | None = None
    """Whose fault it is. None: of the program that wrote it, the training or an initializer."""
    weight: Weight = Weight.CAUSE
    frames: str = ""
    """Of an exception: part of a file name among its frames, without which the message could be anybody's."""


def entry(
    name: str,
    source: Source,
    pattern: str,
    *,
    says: str,
    remedy: str,
    cause: Cause | None = None,
    weight: Weight = Weight.CAUSE,
    frames: str = "",
) -> Entry:
    """Make a row. White space in the pattern stands for any white space: messages are long, and are wrapped here."""
    compiled = re.compile(r"\s+".join(pattern.split()))
    return Entry(
        name=name,
        source=source,
        pattern=compiled,
        says=says,
        remedy=remedy,
        cause=cause,
        weight=weight,
        frames=frames,
    )
