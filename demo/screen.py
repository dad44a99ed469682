"""What the demo says: calm lines, and on a terminal a progress bar under them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

STEPS_BETWEEN_LINES = 5


class Screen:
    """One line for each thing that happens, with the seconds since the start in front."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()
        self.parts: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(f"[dim]{time.monotonic() - self._started:5.0f} s[/]  {escape(text)}")

    def plain(self, text: str = "") -> None:
        """Print text as it is, without the time in front."""
        self._console.print(escape(text))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure one part of the demo."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.took(name, time.monotonic() - started)

    def took(self, name: str, seconds: float) -> None:
        """Note how long a part took, in seconds."""
        self.parts[name] = seconds

    def table(self) -> None:
        """Print how long each part took. Parts may have run side by side."""
        table = Table(title="How long it took", title_justify="left", box=None, show_header=False, padding=(0, 2))
        table.add_column()
        table.add_column(justify="right")
        for name, seconds in self.parts.items():
            table.add_row(name, f"{seconds:.0f} s")
        table.add_row("all of it", f"{time.monotonic() - self._started:.0f} s")
        self._console.print(table)

    @contextmanager
    def steps(self, total: int) -> Iterator[StepBar]:
        """Show the steps of a training."""
        with Progress(
            TextColumn("       training"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        ) as progress:
            yield StepBar(self, progress, total)


class StepBar:
    """The steps of a training: a bar on a terminal, elsewhere a line for every fifth step."""

    def __init__(self, screen: Screen, progress: Progress, total: int) -> None:
        self._screen = screen
        self._progress = progress
        self._total = total
        self._task = progress.add_task("", total=total, loss="-", start=False, visible=False)
        self._told = 0

    def update(self, step: int, loss: float) -> None:
        """Show the last step that is known."""
        self._progress.start_task(self._task)
        self._progress.update(self._task, completed=step, loss=f"{loss:.3f}", visible=True)
        due = step - self._told >= STEPS_BETWEEN_LINES or step == self._total
        if self._progress.disable and due and step > self._told:
            self._told = step
            self._screen.say(f"step {step} of {self._total}, loss {loss:.3f}")
