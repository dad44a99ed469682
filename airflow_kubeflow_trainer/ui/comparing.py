"""Many trainings side by side: one line for each, and the curves of one metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_kubeflow_trainer.trainjob.progress.packing import is_loss
from airflow_kubeflow_trainer.trainjob.progress.series import Series

MAX_POINTS = 20_000
"""Of all curves together; what the page draws at once."""

Training = tuple[Mapping[str, Any], Mapping[str, Any] | None]
"""A task instance and the record of its training."""


def compare(trainings: Sequence[Training], metric: str | None) -> dict[str, Any]:
    """Give a row for each training.

    :param metric: whose curves are wanted; where none or an unknown one is named, the loss that most trainings have.
    """
    names = Counter(name for _, record in trainings if record for name in record["metrics"])
    chosen = metric if metric in names else _usual(names)
    limit = max(20, MAX_POINTS // max(1, len(trainings)))
    return {
        "metrics": sorted(names, key=lambda name: (not is_loss(name), -names[name], name)),
        "metric": chosen,
        "trainings": [_row(task, record, chosen, limit) for task, record in trainings],
    }


def _usual(names: Counter[str]) -> str | None:
    """Choose what a person wants to see first."""
    return min(names, key=lambda name: (name != "loss", not is_loss(name), -names[name], name), default=None)


def _row(task: Mapping[str, Any], record: Mapping[str, Any] | None, metric: str | None, limit: int) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task, "phase": None, "progress": None, "latest": None, "curve": None}
    if record is None:
        return row
    curve = record["metrics"].get(metric)
    return row | {
        "phase": record["phase"],
        "phases": record["phases"],
        "updated": record["updated"],
        "trainjob": record["trainjob"],
        "progress": record["progress"],
        "cause": (record["diagnosis"] or {}).get("message"),
        "latest": None if curve is None else curve["latest"],
        "low": None if curve is None else curve["low"],
        "curve": None if curve is None else _thinned(curve, limit),
    }


def _thinned(curve: Mapping[str, Any], limit: int) -> dict[str, Any]:
    x, y = curve["x"], curve["y"]
    if len(x) > limit:
        series = Series()
        for point in zip(x, y, strict=True):
            series.add(*point)
        points = series.points(limit)
        x, y = [point.x for point in points], [point.y for point in points]
    return {"over": curve["over"], "x": x, "y": y}
