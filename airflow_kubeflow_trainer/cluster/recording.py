"""Writing down, while a TrainJob is waited for, how it goes: for those who look at the task, during it and after."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ClassVar

from airflow_kubeflow_trainer.cluster.logs import LogLine
from airflow_kubeflow_trainer.trainjob.diagnosis import Diagnosis
from airflow_kubeflow_trainer.trainjob.phase import PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.progress import Recorder, entered_at

INTERVAL_SECONDS = 30.0
"""Between two records of a training that goes on."""
WRITES_PER_SECOND = 10.0
"""Of all trainings that this process waits for; with very many of them each writes less often."""

log = logging.getLogger(__name__)

Publish = Callable[[dict[str, Any]], Awaitable[None]]
"""Keeps a record where others can read it, in place of the one before."""


class Recording:
    """Keeps one :class:`Recorder`, and publishes its record at phase changes and now and then between.

    A record that cannot be published costs nothing but itself.
    """

    _running: ClassVar[int] = 0

    def __init__(self, recorder: Recorder, publish: Publish, *, now: Callable[[], float]) -> None:
        self.recorder = recorder
        self._publish = publish
        self._now = now
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish."""
        type(self)._running += 1
        self._task = asyncio.create_task(self._run())

    def see_trainjob(self, trainjob: Mapping[str, Any]) -> None:
        self.recorder.see_trainjob(trainjob)

    def see_phase(
        self, report: PhaseReport, trainjob: Mapping[str, Any], pods: Iterable[Pod], *, trainer_job: str
    ) -> None:
        """Take note of a phase that has begun, and publish soon."""
        at = entered_at(trainjob, report, pods, trainer_job=trainer_job, now=self._now())
        self.recorder.see_phase(report, at)
        self._urgent.set()

    def see_pod(self, pod: Pod, *, gone: bool = False) -> None:
        self.recorder.see_pod(pod, gone=gone)
        self._changed.set()

    def see_restart(self, pod: str) -> None:
        self.recorder.see_restart(pod, self._now())

    def see_line(self, line: LogLine) -> None:
        if self.recorder.progress.feed(line.raw, line.timestamp.timestamp()):
            self._changed.set()

    async def finish(self, diagnosis: Diagnosis | None) -> None:
        """Take note of the end, and publish for the last time."""
        self.recorder.see_end(diagnosis)
        await self._write()

    async def close(self) -> None:
        """Stop publishing."""
        if self._task is not None:
            type(self)._running -= 1
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(INTERVAL_SECONDS, self._running / WRITES_PER_SECOND)):
                    await self._urgent.wait()
            if self._urgent.is_set() or self._changed.is_set():
                self._urgent.clear()
                self._changed.clear()
                await self._write()

    async def _write(self) -> None:
        try:
            await self._publish(self.recorder.to_record(self._now()))
        except Exception as error:  # noqa: BLE001 (what is shown of a training must not end it)
            log.debug("The record was not published: %s", error)
