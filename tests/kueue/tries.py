"""One try of a task, as a worker and a triggerer run it one after the other, in a thread of its own."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from airflow.sdk.exceptions import TaskDeferred

from demo.airflow_api import wait_until
from tests.shell_operator import Task

TIMEOUT = 120.0


class Log:
    """Takes down what stands in the task's log."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.alarms: list[str] = []
        """Those of them that are warnings and errors."""

    def info(self, text: str, *arguments: Any, **fields: Any) -> None:
        self.lines.append(text % arguments if arguments else text)

    def warning(self, text: str, *arguments: Any, **fields: Any) -> None:
        self.info(text, *arguments)
        self.alarms.append(self.lines[-1])

    debug, error = info, warning


class Try:
    """A task that runs: its operator defers, its trigger waits, and what that says decides."""

    def __init__(self, operator: Any) -> None:
        self.task = Task()
        self.log = Log()
        self._operator = operator.prepare_for_execution()
        self._operator._log = self.log
        self._outcome: Future[Any] = Future()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def name(self) -> str:
        """Of its TrainJob."""
        return str(self.task.xcoms["trainjob"]["name"])

    @property
    def waits(self) -> bool:
        """Whether it has not ended."""
        return not self._outcome.done()

    def outcome(self) -> Any:
        """Wait for the end; return what the task returns, or raise what it raises."""
        return self._outcome.result(TIMEOUT)

    def until_told(self, *words: str) -> str:
        """Wait until the log has all of these words; return it."""
        return self.until(lambda log: all(each in log for each in words), what=f"{words} in the log")

    def until(self, accept: Callable[[str], bool], *, what: str) -> str:
        """Wait for something that the log shows, at most until the end; return the log."""

        def read() -> str:
            if not self.waits and (error := self._outcome.exception()) is not None:
                raise error
            return "\n".join(self.log.lines)

        return wait_until(read, accept, what=what, timeout=TIMEOUT)

    def kueue(self) -> list[str]:
        """What Kueue said, without the numbers of objects."""
        said = [line.split(": Kueue: ", 1)[1] for line in self.log.lines if ": Kueue: " in line]
        return [re.sub(r" \(UID: .*", "", line) for line in said]

    def phases(self) -> list[str]:
        """What was told of the phases of its TrainJob."""
        known = ("Queued", "Starting", "Running", "Succeeded", "Failed")
        said = [line.split(": ", 1)[1].split(" (")[0] for line in self.log.lines if line.startswith("TrainJob ")]
        return [phase for phase in said if phase in known]

    def _run(self) -> None:
        try:
            self._outcome.set_result(self._execute())
        except BaseException as error:  # noqa: BLE001 (who asks for the outcome gets it)
            self._outcome.set_exception(error)

    def _execute(self) -> Any:
        try:
            return self._operator.execute(self.task.context())
        except TaskDeferred as deferred:
            deferred.trigger._log = self.log
            event = asyncio.run(anext(deferred.trigger.run())).payload
            return self._operator.execute_complete(self.task.context(), event)
