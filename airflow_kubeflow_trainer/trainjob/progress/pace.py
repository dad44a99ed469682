"""How fast the training goes, and so how long it still takes."""

from __future__ import annotations

WINDOW = 40
MIN_APART_SECONDS = 5.0


class Pace:
    """Remembers when how much was done, over the last few minutes.

    The time before the first step (loading, compiling) does not count, and neither does what was before a restart.
    """

    def __init__(self) -> None:
        # No deque, which takes most of a kilobyte before anything is in it.
        self._marks: list[tuple[float, float]] = []
        self._latest: tuple[float, float] | None = None

    def see(self, timestamp: float, done: float) -> None:
        """Take note that at ``timestamp`` (seconds since the epoch) ``done`` steps or epochs were done."""
        if self._latest is not None and (done < self._latest[1] or timestamp < self._latest[0]):
            if done >= self._latest[1]:
                return
            self._marks.clear()
        self._latest = (timestamp, done)
        if not self._marks or timestamp - self._marks[-1][0] >= MIN_APART_SECONDS:
            self._marks = [*self._marks[1 - WINDOW :], self._latest]

    @property
    def per_second(self) -> float | None:
        """What is done in a second; None where nothing can be said yet."""
        if self._latest is None or not self._marks:
            return None
        (began, before), (now, done) = self._marks[0], self._latest
        return (done - before) / (now - began) if now > began and done > before else None

    def remaining_seconds(self, total: float) -> float | None:
        """How long the rest takes at this pace, counted from the last mark."""
        pace = self.per_second
        return max(0.0, total - self._latest[1]) / pace if pace and self._latest is not None else None
