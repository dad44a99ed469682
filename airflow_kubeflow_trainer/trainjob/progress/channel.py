"""One source of readings: where it stands, and whether it has gone back."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.progress.reading import Reading

PATIENCE = 16
"""Readings in a row that must lie behind before a training that nobody saw restart is taken to have gone back.

Ranks that print in turn lag behind one another by less.
"""


class Channel:
    """Lets through what goes forward.

    What lies behind is a line that is told twice, or another rank's, or a training that has resumed from a checkpoint.
    Only the last goes on for long, or follows a restart that somebody saw.
    """

    def __init__(self, at: float | None = None) -> None:
        self.at = at
        """Furthest position, in steps or epochs."""
        self._heard = 0.0
        self._behind: list[tuple[Reading, float, float]] = []
        self._restarted = False

    def restart(self) -> None:
        """Say that the container was restarted: the next reading may be anywhere."""
        self._restarted = True
        self._behind.clear()

    def accept(self, reading: Reading, position: float, timestamp: float) -> tuple[float | None, list[Reading]]:
        """Take in a reading.

        :return: the position that the training went back to, else None; and the readings to take, which are none while
            it is not yet clear whether it went back.
        """
        if self.at is None or position >= self.at or self._restarted:
            back = position if self.at is not None and position < self.at else None
            self._go_to(position, timestamp)
            return back, [reading]
        if timestamp <= self._heard:
            return None, []
        if self._behind and position < self._behind[-1][1]:
            self._behind.clear()
        self._behind.append((reading, position, timestamp))
        if len(self._behind) < PATIENCE or position == self._behind[0][1]:
            del self._behind[: -PATIENCE - 1]
            return None, []
        went_back_to, taken = self._behind[0][1], [reading for reading, _, _ in self._behind]
        self._go_to(position, timestamp)
        return went_back_to, taken

    def _go_to(self, position: float, timestamp: float) -> None:
        self.at = position
        self._heard = max(self._heard, timestamp)
        self._behind.clear()
        self._restarted = False
