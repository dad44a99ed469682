"""A curve of any length in bounded memory, without losing its ends or its shape."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BUCKETS = 256
"""A full series takes 14 KiB."""

# A bucket is where it begins, its lowest point and its highest.
_WIDTH = 5


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve."""

    x: float
    y: float


class Series:
    """Points in the order of x. As they grow many, neighbours share a bucket that keeps its lowest and its highest.

    The first and the last point are kept as they are. Values that are no numbers (NaN, infinity) are counted, not kept.
    """

    __slots__ = ("_data", "_in_last", "_stride", "count", "first", "last", "not_finite", "not_finite_since")

    def __init__(self) -> None:
        self.count = 0
        """Points added so far."""
        self.first: Point | None = None
        self.last: Point | None = None
        self.not_finite = 0
        self.not_finite_since: float | None = None
        """x of the first value of the present run of NaN or infinity; None where the last value is a number."""
        self._data = array("d")
        self._stride = 1
        self._in_last = 0

    def add(self, x: float, y: float) -> None:
        """Add a point; x must be greater than the last one's."""
        self.count += 1
        self.last = Point(x, y)
        if not math.isfinite(y):
            self.not_finite += 1
            if self.not_finite_since is None:
                self.not_finite_since = x
            return
        self.not_finite_since = None
        if self.first is None:
            self.first = self.last
        if not self._data or self._in_last >= self._stride:
            self._begin_bucket(x, y)
        else:
            self._widen_last(x, y)
        self._in_last += 1

    def truncate(self, x: float) -> None:
        """Forget what lies at x and after it: the training went back there."""
        if self.first is None or x <= self.first.x:
            self.__init__()  # type: ignore[misc]
            return
        data = self._data
        while data and data[-_WIDTH] >= x:
            del data[-_WIDTH:]
        _, low_x, low, high_x, high = data[-_WIDTH:]
        kept = [point for point in (Point(low_x, low), Point(high_x, high)) if point.x < x]
        if kept:
            data[-4:] = array("d", [kept[0].x, kept[0].y, kept[-1].x, kept[-1].y])
        elif len(data) > _WIDTH:
            del data[-_WIDTH:]
        else:
            data[-4:] = array("d", [self.first.x, self.first.y] * 2)
        self.last = max((Point(data[-4], data[-3]), Point(data[-2], data[-1])), key=lambda point: point.x)
        self.not_finite_since = None
        self._in_last = self._stride

    def points(self, limit: int) -> list[Point]:
        """Give at most ``limit`` points (at least 4) that have the first, the last, and the shape between them."""
        if self.first is None:
            return []
        buckets = len(self._data) // _WIDTH
        # Two of the limit are for the ends, and each group gives two.
        groups = min(buckets, max(1, (limit - 2) // 2))
        chosen = {self.first.x: self.first}
        for group in range(groups):
            for point in self._extremes(group * buckets // groups, (group + 1) * buckets // groups):
                chosen[point.x] = point
        if self.last is not None and math.isfinite(self.last.y):
            chosen[self.last.x] = self.last
        return [chosen[x] for x in sorted(chosen)]

    def low_and_high(self) -> tuple[Point, Point] | None:
        """Give the lowest and the highest point; None where there is none."""
        return self._extremes(0, len(self._data) // _WIDTH) if self._data else None

    def _extremes(self, start: int, end: int) -> tuple[Point, Point]:
        rows = range(start * _WIDTH, end * _WIDTH, _WIDTH)
        data = self._data
        low = min(rows, key=lambda row: data[row + 2])
        high = max(rows, key=lambda row: data[row + 4])
        return Point(data[low + 1], data[low + 2]), Point(data[high + 3], data[high + 4])

    def _begin_bucket(self, x: float, y: float) -> None:
        if len(self._data) >= MAX_BUCKETS * _WIDTH:
            self._halve()
        self._data.extend((x, x, y, x, y))
        self._in_last = 0

    def _widen_last(self, x: float, y: float) -> None:
        data = self._data
        if y < data[-3]:
            data[-4], data[-3] = x, y
        if y > data[-1]:
            data[-2], data[-1] = x, y

    def _halve(self) -> None:
        merged = array("d")
        for first, second in self._pairs():
            low = first if first[2] <= second[2] else second
            high = first if first[4] >= second[4] else second
            merged.extend((first[0], low[1], low[2], high[3], high[4]))
        self._data = merged
        self._stride *= 2

    def _pairs(self) -> Iterator[tuple[array[float], array[float]]]:
        for row in range(0, len(self._data), 2 * _WIDTH):
            yield self._data[row : row + _WIDTH], self._data[row + _WIDTH : row + 2 * _WIDTH]
