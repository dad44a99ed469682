"""What a wait tells, kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.trainjob.phase import PhaseReport


class Recorder:
    """A Reporter that remembers, and calls back."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.lines: list[str] = []
        self.notes: list[str] = []
        self.timed: list[tuple[datetime, str]] = []
        """Lines and notes that have a time of their own."""
        self.warnings: list[str] = []
        self.on_line: Callable[[str], None] = lambda text: None
        self.on_phase: Callable[[str], None] = lambda phase: None

    def phase(self, report: PhaseReport) -> None:
        self.phases.append(report.phase.value)
        self.on_phase(report.phase.value)

    def line(self, line: LogLine) -> None:
        text = f"[{line.step}] {line.text}" if line.step else line.text
        self.lines.append(text)
        self.timed.append((line.timestamp, text))
        self.on_line(text)

    async def drain(self) -> None:
        pass

    def note(self, text: str, at: datetime | None = None) -> None:
        self.notes.append(text)
        if at is not None:
            self.timed.append((at, text))

    def warning(self, text: str) -> None:
        self.warnings.append(text)
