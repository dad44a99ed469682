"""Writing down, while a TrainJob is waited for, how it goes: for those who look at the task, during it and after."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.exceptions import words_of
from airflow_kubeflow_trainer.trainjob.diagnosis import Diagnosis
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.progress import Recorder, entered_at

INTERVAL_SECONDS = 30.0
"""Between two records of a training that goes on."""
EVENTS_SECONDS = 10.0
"""Bound on reading events: without them a record is still one."""
WRITES_PER_SECOND = 10.0
"""Of all trainings that this process waits for; with very many of them each writes less often."""

log = logging.getLogger(__name__)

Publish = Callable[[dict[str, Any]], Awaitable[None]]
"""Keeps a record where others can read it, in place of the one before."""
ReadEvents = Callable[[], Awaitable[Iterable[Mapping[str, Any]]]]
"""Reads what Kubernetes recorded about the TrainJob and what it is made of."""


def seconds_between(trainings: int) -> float:
    """Say how long each of so many trainings waits between two records, give or take a half.

    Those that a triggerer began at once would else write at once, again and again: their records go to Airflow one
    after the other, and what has ended meanwhile waits behind them.
    """
    return max(INTERVAL_SECONDS, trainings / WRITES_PER_SECOND) * random.uniform(0.5, 1.5)


async def _no_events() -> Iterable[Mapping[str, Any]]:
    return ()


class Recording:
    """Keeps one :class:`Recorder`, and publishes its record at phase changes and now and then between.

    A record that cannot be published costs nothing but itself, and is tried again when the next one is due. Nothing
    runs between two of them: a triggerer has thousands of these, and a task that sleeps costs more than a timer.
    """

    _running: ClassVar[int] = 0

    def __init__(self, recorder: Recorder, publish: Publish, *, now: Callable[[], float]) -> None:
        self.recorder = recorder
        self._publish = publish
        self._now = now
        self._started = False
        self._changed = self._urgent = False
        self._timer: asyncio.TimerHandle | None = None
        """When the next record is due; None while one is written."""
        self._writing: asyncio.Task[None] | None = None
        self._read_events: ReadEvents = _no_events
        self._events_wanted = False
        self._queued_for = ""

    def start(self, read_events: ReadEvents = _no_events) -> None:
        """Begin to publish.

        :param read_events: asked once when the training begins, and when it has failed.
        """
        self._read_events = read_events
        self._started = True
        type(self)._running += 1
        self._go_on()

    def see_trainjob(self, trainjob: Mapping[str, Any]) -> None:
        self.recorder.see_trainjob(trainjob)
        self._changed = True

    def see_phase(
        self, report: PhaseReport, trainjob: Mapping[str, Any], pods: Iterable[Pod], *, trainer_job: str
    ) -> None:
        """Take note of a phase that has begun, and publish soon."""
        at = entered_at(trainjob, report, pods, trainer_job=trainer_job, now=self._now())
        self.recorder.see_phase(report, at)
        self._events_wanted |= report.phase is Phase.RUNNING
        self._hurry()

    def see_queue(self, report: PhaseReport, reasons: Sequence[str]) -> None:
        """Take note of why it is queued, where Kueue says so: Trainer only says that it is suspended."""
        if reasons and reasons[0] != self._queued_for:
            self._queued_for = reasons[0]
            self.recorder.see_phase(replace(report, reason="", message=reasons[0]), self._now())
            self._hurry()

    def see_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            self.recorder.see_event(event)
        self._changed = True

    def see_pod(self, pod: Pod, *, gone: bool = False) -> None:
        self.recorder.see_pod(pod, gone=gone)
        self._changed = True

    def see_restart(self, pod: str) -> None:
        self.recorder.see_restart(pod, self._now())
        self._changed = True

    def see_line(self, line: LogLine) -> None:
        if self.recorder.progress.feed(line.raw, line.timestamp.timestamp()):
            self._changed = True

    async def finish(self, diagnosis: Diagnosis | None) -> None:
        """Take note of the end, and publish for the last time."""
        self.recorder.see_end(diagnosis)
        # Before the cluster forgets them.
        self._events_wanted |= diagnosis is not None
        # What is being published gets through first: it would else replace the last record, and go on asking Airflow
        # when the wait is over (`dag.test()` has begun to run the task again by then).
        self._stop()
        if self._writing is not None:
            await asyncio.wait({self._writing})
        await self._write()

    async def close(self) -> None:
        """Stop publishing."""
        self._stop()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})

    def _stop(self) -> None:
        if self._started:
            self._started = False
            type(self)._running -= 1
            self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hurry(self) -> None:
        self._urgent = True
        if self._started and self._writing is None:
            self._stop_timer()
            self._go_on()

    def _go_on(self) -> None:
        """Write where that is urgent, else when it is due."""
        if self._urgent:
            self._writing = asyncio.create_task(self._write())
            self._writing.add_done_callback(self._end_writing)
        else:
            self._timer = asyncio.get_running_loop().call_later(seconds_between(self._running), self._end_pause)

    def _end_pause(self) -> None:
        self._timer = None
        self._urgent = self._changed
        self._go_on()

    def _end_writing(self, _: asyncio.Task[None]) -> None:
        self._writing = None
        if self._started:
            self._go_on()

    async def _write(self) -> None:
        if self._events_wanted:
            self._events_wanted = False
            await self._look_at_events()
        self._changed = self._urgent = False
        try:
            await self._publish(self.recorder.to_record(self._now()))
        except Exception as error:  # noqa: BLE001 (what is shown of a training must not end it)
            self._changed = True
            log.debug("The record was not published: %s", words_of(error))

    async def _look_at_events(self) -> None:
        try:
            async with asyncio.timeout(EVENTS_SECONDS):
                self.see_events(await self._read_events())
        except Exception as error:  # noqa: BLE001 (as above)
            log.debug("The record is without events: %s", words_of(error))
