"""How far a training is, put together from all that it says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_kubeflow_trainer.trainjob.pods import seconds
from airflow_kubeflow_trainer.trainjob.progress.bars import BarWatch
from airflow_kubeflow_trainer.trainjob.progress.channel import Channel
from airflow_kubeflow_trainer.trainjob.progress.pace import Pace
from airflow_kubeflow_trainer.trainjob.progress.parsing import readings, segments
from airflow_kubeflow_trainer.trainjob.progress.reading import Origin, Reading, numeric, reading_of
from airflow_kubeflow_trainer.trainjob.progress.series import Series
from airflow_kubeflow_trainer.trainjob.progress.torchtune import ConfigReader

MAX_METRICS = 32
MAX_RESTARTS = 20

STEP, EPOCH, REPORT = "step", "epoch", "report"
"""What a metric is drawn over: steps where they are known, else epochs, else the count of its reports."""
_AXES = (REPORT, EPOCH, STEP)


@dataclass(slots=True)
class Metric:
    """One named curve."""

    origin: Origin
    axis: str
    series: Series = field(default_factory=Series)
    latest: float = math.nan


@dataclass(frozen=True, slots=True)
class Restart:
    """A moment at which the training began again."""

    at: float
    """Seconds since the epoch."""
    pod: str
    """Name of the pod that was restarted; empty where the training only went back."""


class Progress:
    """Takes log lines and trainer status, gives steps, epochs, remaining time and curves; all of it in bounded memory.

    Feed it the lines of one rank, in order. Nothing that a line holds makes it raise.
    """

    def __init__(self) -> None:
        self.step: int | None = None
        self.total_steps: int | None = None
        self.epoch: float | None = None
        """Epochs done; 1.5 is half of the second."""
        self.total_epochs: float | None = None
        self.as_of: float | None = None
        """When the training last said something of its progress, in seconds since the epoch."""
        self.metrics: dict[str, Metric] = {}
        self.restarts: list[Restart] = []
        self._percent: float | None = None
        self._remaining: tuple[float, Origin] | None = None
        self._channels: dict[tuple[Origin, str], Channel] = {}
        self._position_origin = Origin.STATUS
        self._total_origin = Origin.STATUS
        self._pace = Pace()
        self._bars = BarWatch()
        self._pending: tuple[Reading, float] | None = None
        self._config = ConfigReader()
        self._deaf_until = -math.inf
        self._status_of: float | None = None

    def ignore_until(self, timestamp: float) -> None:
        """Pass over what was said up to this moment: it is known already."""
        self._deaf_until = self.as_of = timestamp

    def restore_metric(self, name: str, metric: Metric) -> None:
        """Put in a curve as it was; what is told from now on continues it."""
        self.metrics[name] = metric
        self._position_origin = max(self._position_origin, metric.origin)
        if metric.axis != REPORT and metric.series.last is not None:
            self._channels[metric.origin, metric.axis] = Channel(at=metric.series.last.x)
        if metric.origin is Origin.HUGGING_FACE and self.total_steps:
            self._bars = BarWatch(self.total_steps)

    @property
    def percent(self) -> float | None:
        """How much is done, from 0 to 100; None where it is not known."""
        for done, total in ((self.step, self.total_steps), (self.epoch, self.total_epochs)):
            if done is not None and total:
                return min(100.0, 100.0 * done / total)
        return None if self._percent is None else min(100.0, self._percent)

    @property
    def remaining_seconds(self) -> float | None:
        """How long it still takes, counted from :attr:`as_of`: as the training itself says, else worked out."""
        if self._remaining is not None:
            return self._remaining[0]
        if self.step is not None and self.total_steps:
            return self._pace.remaining_seconds(self.total_steps)
        if self.epoch is not None and self.total_epochs:
            return self._pace.remaining_seconds(self.total_epochs)
        return None

    @property
    def per_second(self) -> float | None:
        """Steps per second (epochs, where there are no steps), over the last few minutes."""
        return self._pace.per_second

    def feed(self, text: str, timestamp: float) -> bool:
        """Take in one line of a log.

        :param text: the line as the container wrote it, with the carriage returns of its progress bars.
        :param timestamp: when it did, in seconds since the epoch.
        :return: whether it told anything of progress.
        """
        if timestamp <= self._deaf_until:
            return False
        told = False
        for segment in segments(text):
            if self._config.reading:
                self._see_config(segment)
            elif ConfigReader.MARK in segment:
                self._config.begin()
            for reading in readings(segment):
                self._see(reading, timestamp)
                told = True
        if told:
            self.as_of = max(self.as_of or 0.0, timestamp)
        return told

    def see_status(self, trainer_status: Mapping[str, Any] | None) -> None:
        """Take in a TrainJob's ``status.trainerStatus``; each one replaces the last."""
        if not trainer_status:
            return
        timestamp = _moment(trainer_status.get("lastUpdatedTime"))
        if timestamp is None or timestamp <= self._deaf_until or timestamp == self._status_of:
            return
        self._status_of = timestamp
        reading = reading_of(Origin.STATUS, dict(_status_metrics(trainer_status)))
        reading.percent = numeric(trainer_status.get("progressPercentage"))
        reading.remaining_seconds = numeric(trainer_status.get("estimatedRemainingSeconds"))
        self.as_of = max(self.as_of or 0.0, timestamp)
        self._see(reading, timestamp)

    def restarted(self, pod: str, timestamp: float) -> None:
        """Take note that the container was restarted, or another pod took over: the lines that come are a new run's."""
        if timestamp <= self._deaf_until:
            return
        self._mark_restart(Restart(timestamp, pod))
        self._pending = None
        for channel in self._channels.values():
            channel.restart()

    def settle(self) -> None:
        """Place what still waits for the bar that would tell its step: no more lines will come."""
        if self._pending is not None:
            (pending, timestamp), self._pending = self._pending, None
            if self.step and self.epoch and pending.epoch is not None and self._bars.total:
                pending.step = round(pending.epoch * self.step / self.epoch)
            self._place(pending, timestamp)

    def _see_config(self, line: str) -> None:
        epochs = self._config.read(line)
        if epochs:
            self.total_epochs = epochs

    def _see(self, reading: Reading, timestamp: float) -> None:
        if reading.origin is Origin.HUGGING_FACE:
            self._see_hugging_face(reading, timestamp)
            return
        if reading.bar is not None and self.total_epochs:
            # TorchTune's bar is that of one epoch.
            reading.total_steps = round(reading.bar[1] * self.total_epochs)
        self._place(reading, timestamp)

    def _see_hugging_face(self, reading: Reading, timestamp: float) -> None:
        """Give a dict the step that it does not tell: the bar is drawn again right after it."""
        if reading.bar is None:
            self.settle()
            self._pending = (reading, timestamp)
            if "loss" in reading.metrics:
                self._bars.confirm()
            if self._bars.total is None:
                self.settle()
            return
        if not self._bars.see(reading.bar):
            return
        done, total = reading.bar
        if self._pending is not None:
            (pending, timestamp), self._pending = self._pending, None
            pending.step, pending.total_steps = done, total
            self._place(pending, timestamp)
        else:
            self._place(Reading(origin=Origin.HUGGING_FACE, step=done, total_steps=total), timestamp)

    def _place(self, reading: Reading, timestamp: float) -> None:
        axis, position = _placed(reading)
        if position is None:
            self._take(reading, timestamp)
            return
        channel = self._channels.setdefault((reading.origin, axis), Channel())
        back, taken = channel.accept(reading, position, timestamp)
        if back is not None:
            self._go_back(reading.origin, axis, back, timestamp)
        for one in taken:
            self._take(one, timestamp)

    def _go_back(self, origin: Origin, axis: str, position: float, timestamp: float) -> None:
        for metric in self.metrics.values():
            if metric.origin is origin and metric.axis == axis:
                metric.series.truncate(position)
        if not self.restarts or not self.restarts[-1].pod:
            self._mark_restart(Restart(timestamp, ""))

    def _mark_restart(self, restart: Restart) -> None:
        self.restarts.append(restart)
        # The first tells most, and the last ones.
        del self.restarts[1 : max(1, len(self.restarts) - MAX_RESTARTS + 1)]

    def _take(self, reading: Reading, timestamp: float) -> None:
        if reading.origin >= self._position_origin:
            self._take_position(reading, timestamp)
        for name, value in reading.metrics.items():
            self._take_metric(name, value, reading)

    def _take_position(self, reading: Reading, timestamp: float) -> None:
        placed = reading.step is not None or reading.epoch is not None
        if placed:
            self._position_origin = reading.origin
            # What another origin said of steps does not go together with this one's epochs.
            self.step = reading.step
            self.epoch = reading.epoch if reading.epoch is not None else self._epoch_of(reading)
            self._pace.see(timestamp, self.step if self.step is not None else self.epoch or 0.0)
        if reading.total_steps:
            self.total_steps = reading.total_steps
        if reading.total_epochs:
            self.total_epochs = reading.total_epochs
        elif self.total_epochs is None and reading.origin is Origin.HUGGING_FACE and reading.epoch:
            self.total_epochs = _total_epochs(reading)
        if reading.percent is not None:
            self._percent = reading.percent
        if reading.remaining_seconds is not None:
            self._remaining = (reading.remaining_seconds, reading.origin)
        elif placed and self._remaining is not None and reading.origin > self._remaining[1]:
            self._remaining = None

    def _epoch_of(self, reading: Reading) -> float | None:
        """Work out the epoch of a step from what is known of others."""
        if reading.step is None or not self.total_steps or not self.total_epochs:
            return self.epoch
        return reading.step / self.total_steps * self.total_epochs

    def _take_metric(self, name: str, value: float, reading: Reading) -> None:
        axis, x = _placed(reading)
        metric = self.metrics.get(name)
        if metric is None and len(self.metrics) >= MAX_METRICS:
            return
        if metric is None or _is_better(reading.origin, axis, metric):
            metric = self.metrics[name] = Metric(reading.origin, axis)
        if metric.origin is not reading.origin or metric.axis != axis:
            return
        last = metric.series.last
        if x is None:
            x = last.x + 1 if last is not None else 1.0
        if last is None or x > last.x:
            metric.series.add(x, value)
            metric.latest = value


def _total_epochs(reading: Reading) -> float | None:
    if not reading.step or not reading.total_steps or not reading.epoch:
        return None
    return round(reading.epoch * reading.total_steps / reading.step, 2)


def _placed(reading: Reading) -> tuple[str, float | None]:
    if reading.step is not None:
        return STEP, float(reading.step)
    if reading.epoch is not None:
        return EPOCH, reading.epoch
    return REPORT, None


def _is_better(origin: Origin, axis: str, metric: Metric) -> bool:
    return (origin, _AXES.index(axis)) > (metric.origin, _AXES.index(metric.axis)) and origin >= metric.origin


def _status_metrics(trainer_status: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for entry in trainer_status.get("metrics") or []:
        value = numeric(entry.get("value"))
        if value is not None:
            yield str(entry.get("name")), value


def _moment(timestamp: Any) -> float | None:
    try:
        return seconds(timestamp)
    except (TypeError, ValueError):
        return None
