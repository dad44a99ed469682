"""Making a record small: fewer points, fewer entries, shorter texts, until it fits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.trainjob.progress.series import Point
from airflow_kubeflow_trainer.trainjob.progress.tracker import STEP, Metric, Progress


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of each kind may stand in a record."""

    points: int
    """Of a loss."""
    other_points: int
    """Of any other metric."""
    metrics: int = 32
    pods: int = 64
    events: int = 30
    phases: int = 30
    text: int = 600
    """Characters of one text."""


BUDGETS = (
    Budget(400, 200),
    Budget(300, 100),
    Budget(200, 60),
    Budget(120, 30),
    Budget(120, 20, pods=32, events=20, text=400),
    Budget(80, 16, metrics=16, pods=16, events=12, phases=16, text=300),
    # The last fits whatever is in it: every text in characters that JSON writes with twelve bytes.
    Budget(40, 8, metrics=8, pods=5, events=4, phases=6, text=40),
)


def pack(make: Callable[[Budget], dict[str, Any]], limit: int) -> dict[str, Any]:
    """Make a record with the largest budget with which it takes at most ``limit`` bytes."""
    for budget in BUDGETS[:-1]:
        record = make(budget)
        if len(json.dumps(record)) <= limit:
            return record
    return make(BUDGETS[-1])


def cut(data: Any, budget: Budget) -> Any:
    """Shorten every text of plain data, and every list in it to what the largest may have."""
    if isinstance(data, str):
        return data if len(data) <= budget.text else f"{data[: budget.text - 1]}…"
    if isinstance(data, Mapping):
        return {key: cut(entry, budget) for key, entry in data.items()}
    if isinstance(data, list | tuple):
        return [cut(entry, budget) for entry in data[: max(budget.pods, budget.events, budget.phases)]]
    return data


def progress(done: Progress) -> dict[str, Any]:
    """Say how far it is."""
    return {
        "percent": _rounded(done.percent),
        "step": done.step,
        "total_steps": done.total_steps,
        "epoch": _rounded(done.epoch),
        "total_epochs": _rounded(done.total_epochs),
        "remaining_seconds": _rounded(done.remaining_seconds),
        "per_second": _rounded(done.per_second),
        "as_of": None if done.as_of is None else round(done.as_of, 3),
    }


def metrics(done: Progress, budget: Budget) -> dict[str, Any]:
    """Give the curves, losses first."""
    chosen = sorted(done.metrics.items(), key=lambda entry: not is_loss(entry[0]))[: budget.metrics]
    return {name: _metric(metric, budget.points if is_loss(name) else budget.other_points) for name, metric in chosen}


def is_loss(name: str) -> bool:
    """Whether a metric is a loss, by its name."""
    return "loss" in name.lower()


def value(number: float) -> float | str:
    """Write a number so that JSON can hold it: NaN and infinity as the strings that JavaScript's Number() takes."""
    if math.isfinite(number):
        return float(f"{number:.6g}")
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _metric(metric: Metric, limit: int) -> dict[str, Any]:
    series = metric.series
    points = series.points(limit)
    extremes = series.low_and_high()
    return {
        "source": metric.origin.name.lower(),
        "over": metric.axis,
        "x": [_x(metric, point.x) for point in points],
        "y": [value(point.y) for point in points],
        "count": series.count,
        "latest": value(metric.latest),
        "low": _point(metric, extremes[0]) if extremes else None,
        "high": _point(metric, extremes[1]) if extremes else None,
        "not_finite": series.not_finite,
        "not_finite_since": None if series.not_finite_since is None else _x(metric, series.not_finite_since),
    }


def _point(metric: Metric, point: Point) -> list[float | str]:
    return [_x(metric, point.x), value(point.y)]


def _x(metric: Metric, x: float) -> float | str:
    return int(x) if metric.axis == STEP else value(x)


def _rounded(number: float | None) -> float | str | None:
    return None if number is None else value(number)
