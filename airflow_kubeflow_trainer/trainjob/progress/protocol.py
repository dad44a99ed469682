"""The line that user code can print to be sure of being understood.

``kubeflow-trainer: {"step": 10, "total_steps": 100, "loss": 1.2}``. docs/progress.md has the whole of it.
"""

from __future__ import annotations

import json
from typing import Any

from airflow_kubeflow_trainer.trainjob.progress.reading import Origin, Reading, numeric, reading_of

MARK = "kubeflow-trainer: {"
NESTED = "metrics"
"""Key under which metrics may stand whose names would be taken for a position."""


def read_line(text: str) -> Reading | None:
    """Read what follows the mark; None where it is no JSON object, or has no number in it."""
    start = text.find(MARK)
    if start < 0:
        return None
    said = decode(text[start + len(MARK) - 1 :].rstrip())
    if said is None:
        return None
    values = {name: value for name, raw in said.items() if (value := numeric(raw)) is not None}
    reading = reading_of(Origin.PROTOCOL, values)
    nested = said.get(NESTED)
    if isinstance(nested, dict):
        reading.metrics |= {
            name: value for name, raw in nested.items() if (value := numeric(raw)) is not None and len(name) <= 64
        }
    return reading if values or reading.metrics else None


def decode(text: str) -> dict[str, Any] | None:
    """Decode a JSON object, with ``NaN`` and ``Infinity`` as Python writes them; None where it is none."""
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None
