"""Curves keep their ends and their shape in bounded memory."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.trainjob.progress.series import MAX_BUCKETS, Point, Series

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000)


def series_of(values: list[float]) -> Series:
    series = Series()
    for x, y in enumerate(values, start=1):
        series.add(x, y)
    return series


@given(values=VALUES, limit=st.integers(4, 700))
def test_ends_and_extremes_are_kept_within_the_limit(values: list[float], limit: int) -> None:
    points = series_of(values).points(limit)

    assert len(points) <= limit
    assert points[0] == Point(1, values[0])
    assert points[-1] == Point(len(values), values[-1])
    assert [point.x for point in points] == sorted({point.x for point in points})
    assert min(point.y for point in points) == min(values)
    assert max(point.y for point in points) == max(values)
    assert {(point.x, point.y) for point in points} <= set(enumerate(values, start=1))


def test_few_points_are_kept_as_they_are() -> None:
    values = [float(value % 7) for value in range(MAX_BUCKETS)]

    assert [point.y for point in series_of(values).points(2 * MAX_BUCKETS + 2)] == values


def test_a_spike_among_a_million_steps_is_still_seen_where_it_was() -> None:
    series = Series()
    for step in range(1_000_000):
        series.add(step, 9.0 if step == 777_777 else 1.0 / (1 + step))

    points = series.points(100)

    assert Point(777_777, 9.0) in points
    assert points[-1].x == 999_999
    # No part of it is left out.
    assert max(after.x - before.x for before, after in itertools.pairwise(points)) < 60_000


@given(values=VALUES, cut=st.integers(1, 3100), more=st.lists(st.floats(-10, 10), max_size=50))
def test_a_training_that_went_back_leaves_nothing_behind_the_cut(
    values: list[float], cut: int, more: list[float]
) -> None:
    series = series_of(values)

    series.truncate(cut)
    for x, y in enumerate(more, start=cut):
        series.add(x, y)

    points = series.points(600)
    before = {(x, y) for x, y in enumerate(values, start=1) if x < cut}
    after = set(enumerate(more, start=cut))
    assert {(point.x, point.y) for point in points} <= before | after
    assert [point.x for point in points] == sorted({point.x for point in points})
    if more:
        assert points[-1] == Point(cut + len(more) - 1, more[-1])
    if cut > 1:
        assert points[0] == Point(1, values[0])


def test_what_is_no_number_is_counted_and_told_apart() -> None:
    series = series_of([2.0, math.nan, 1.0, math.inf, math.nan])

    assert [point.y for point in series.points(10)] == [2.0, 1.0]
    assert (series.not_finite, series.not_finite_since) == (3, 4)
    assert series.last is not None and series.last.x == 5
