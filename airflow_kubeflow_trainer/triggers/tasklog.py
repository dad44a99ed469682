"""Telling a task's log what happens to its TrainJob."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.trainjob.levels import level_of
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.triggers import log_channel


class TaskLogReporter:
    """Writes one line for each phase, and the training's own lines as they are."""

    def __init__(self, log: Any, *, name: str, namespace: str) -> None:
        self._log = log
        self._trainjob = f"TrainJob {namespace}/{name}"

    def phase(self, report: PhaseReport) -> None:
        tell = self._log.error if report.phase is Phase.FAILED else self._log.info
        tell(f"{self._trainjob}: {report}")

    def line(self, line: LogLine) -> None:
        text = f"[{line.step}] {line.text}" if line.step else line.text
        # With the container's own time, Airflow's reader drops what a moved trigger repeats.
        self._teller(level_of(line.text))(text, timestamp=line.timestamp.isoformat())

    async def drain(self) -> None:
        await log_channel.drain()

    def note(self, text: str, at: datetime | None = None) -> None:
        when = {} if at is None else {"timestamp": at.isoformat()}
        self._log.info(f"{self._trainjob}: {text}", **when)

    def _teller(self, level: int) -> Callable[..., None]:
        named = {logging.WARNING: self._log.warning, logging.ERROR: self._log.error}
        found: Callable[..., None] = named.get(level, self._log.info)
        return found

    def warning(self, text: str) -> None:
        self._log.warning(f"{self._trainjob}: {text}")
