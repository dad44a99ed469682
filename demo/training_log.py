"""The loss of each step, as it stands in a TorchTune log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import fmean

# The metric logger's line, and tqdm's, which is there while the first is still in the buffer of a pipe.
_METRICS = re.compile(r"Step (\d+) \| loss:([-+.\w]+)")
_PROGRESS = re.compile(r"\d+\|(\d+)\|Loss: ([-+.\w]+)")
WINDOW = 5
"""Steps whose mean is shown: single steps say little."""


def losses(lines: Iterable[str]) -> dict[int, float]:
    """Step to loss, in the order of the steps."""
    found: dict[int, float] = {}
    for line in lines:
        for pattern in (_PROGRESS, _METRICS):
            found |= {int(step): float(loss) for step, loss in pattern.findall(line)}
    return dict(sorted(found.items()))


def first_and_last(curve: dict[int, float]) -> tuple[float, float]:
    """The mean loss of the first five steps and of the last five: single steps say little."""
    values = list(curve.values())
    return fmean(values[:WINDOW]), fmean(values[-WINDOW:])
