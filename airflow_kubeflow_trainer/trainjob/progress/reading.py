"""What one line of a log, or one report of a trainer, says about how far the training is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

MAX_NAME = 64
"""Characters of a metric's name, which is Trainer's own limit."""

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)", re.IGNORECASE)
_NAME = re.compile(rf"[A-Za-z_][\w./@-]{{0,{MAX_NAME - 1}}}")


class Origin(IntEnum):
    """Who said it. Where several tell of the same metric, the one with the highest number is believed."""

    STATUS = 1
    """TrainJob ``status.trainerStatus``."""
    PLAIN = 2
    """``key=value`` pairs, JSON, or a progress bar of nobody in particular."""
    HUGGING_FACE = 3
    TORCHTUNE_LOGGER = 4
    """Its lines lag behind: Python keeps them in the buffer of a pipe."""
    TORCHTUNE_BAR = 5
    PROTOCOL = 6
    """The line that is meant for us."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """One saying. Fields that it does not speak of are None."""

    origin: Origin
    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    """Epochs done; 1.5 is half of the second."""
    total_epochs: float | None = None
    percent: float | None = None
    remaining_seconds: float | None = None
    bar: tuple[int, int] | None = None
    """Position and total of a progress bar that may or may not be the training's."""
    metrics: dict[str, float] = field(default_factory=dict)


def number(text: str) -> float | None:
    """Read a number as Python and JSON print it, ``nan`` and ``inf`` included; None where it is none."""
    return float(text) if len(text) <= MAX_NAME and _NUMBER.fullmatch(text) else None


def numeric(value: Any) -> float | None:
    """Take a number from decoded JSON, where frameworks also write it as a string."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    return number(value) if isinstance(value, str) else None


def counter(value: float | None) -> int | None:
    """Take a number of steps; None where it cannot be one."""
    if value is None or not math.isfinite(value) or not 0 <= value < 2**53:
        return None
    return int(value)


def amount(value: float | None) -> float | None:
    """Take a number of epochs, percent or seconds; None where it cannot be one."""
    return value if value is not None and math.isfinite(value) and 0 <= value < 2**53 else None


def is_name(text: str) -> bool:
    """Whether a metric may have this name."""
    return _NAME.fullmatch(text) is not None


STEP_NAMES = frozenset({"step", "global_step", "current_step", "iteration", "iter", "batch_idx"})
TOTAL_STEPS_NAMES = frozenset({"total_steps", "max_steps", "num_steps", "total_iterations"})
EPOCH_NAMES = frozenset({"epoch", "current_epoch"})
TOTAL_EPOCHS_NAMES = frozenset({"total_epochs", "max_epochs", "num_epochs", "num_train_epochs"})
PERCENT_NAMES = frozenset({"percent", "progress_percentage"})
REMAINING_NAMES = frozenset({"remaining_seconds", "eta_seconds"})


def reading_of(origin: Origin, values: Mapping[str, float]) -> Reading:
    """Sort numbers by name into position and metrics."""
    reading = Reading(origin=origin)
    for name, value in values.items():
        plain = name.lower()
        if plain in STEP_NAMES:
            reading.step = counter(value)
        elif plain in TOTAL_STEPS_NAMES:
            reading.total_steps = counter(value)
        elif plain in EPOCH_NAMES:
            reading.epoch = amount(value)
        elif plain in TOTAL_EPOCHS_NAMES:
            reading.total_epochs = amount(value)
        elif plain in PERCENT_NAMES:
            reading.percent = amount(value)
        elif plain in REMAINING_NAMES:
            reading.remaining_seconds = amount(value)
        elif is_name(name):
            reading.metrics[name] = value
    return reading
