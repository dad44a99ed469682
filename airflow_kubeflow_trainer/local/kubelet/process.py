"""The kubelet's end of one running container."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from airflow_kubeflow_trainer.local.kubelet.isolation import supervisor_command
from airflow_kubeflow_trainer.local.kubelet.supervisor.spec import Exit, Order, Report, Spec


class ContainerProcess:
    """One run of one container, under its supervisor."""

    def __init__(
        self, process: asyncio.subprocess.Process, spec: Spec, *, on_log_failure: Callable[[str], None]
    ) -> None:
        self._process = process
        self._spec = spec
        self._on_log_failure = on_log_failure
        self._settled = asyncio.Event()
        """Set once the program runs, or never will."""
        self.started = False
        """Whether the program came to run."""
        self._exit: Exit | None = None

    @classmethod
    async def start(cls, spec: Spec, *, on_log_failure: Callable[[str], None]) -> Self:
        """Start the container; returns when its program runs, or has failed to (then ``wait`` says why).

        :param on_log_failure: called once, with the reason, where the log cannot be written; the program goes on.
        """
        descriptors = [fd for fd in (spec.user_namespace_fd, spec.network_namespace_fd) if fd is not None]
        process = await asyncio.create_subprocess_exec(
            *supervisor_command("main"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            pass_fds=descriptors,
            # A Ctrl-C in the kubelet's terminal is the kubelet's to handle.
            start_new_session=True,
        )
        started = cls(process, spec, on_log_failure=on_log_failure)
        try:
            await started._introduce()
        except BaseException:
            started.abandon()
            raise
        return started

    async def _introduce(self) -> None:
        assert self._process.stdin and self._process.stdout
        with suppress(ConnectionError):
            self._process.stdin.write(self._spec.to_json().encode() + b"\n")
            await self._process.stdin.drain()
        self._listening = asyncio.create_task(self._listen(self._process.stdout))
        await self._settled.wait()

    async def _listen(self, reports: asyncio.StreamReader) -> None:
        """Take what the supervisor reports, until the pipe ends with it."""
        try:
            async for line in reports:
                self._take(json.loads(line))
        finally:
            self._settled.set()

    def _take(self, report: dict[str, Any]) -> None:
        if Report.STARTED in report:
            self.started = True
            self._settled.set()
        elif Report.LOG_FAILURE in report:
            self._on_log_failure(report[Report.LOG_FAILURE])
        elif Report.EXIT in report:
            self._exit = Exit(**report[Report.EXIT])

    async def wait(self) -> Exit | None:
        """Return how the run ended; None where the supervisor itself was killed."""
        await self._process.wait()
        await self._listening
        return self._exit

    def terminate(self) -> None:
        """Ask the program to end (SIGTERM)."""
        self._order(Order.TERMINATE)

    def kill(self) -> None:
        """Kill every process of the container."""
        self._order(Order.KILL)

    def abandon(self) -> None:
        """Let go: the supervisor kills everything and tells nobody how it ended."""
        if self._process.stdin:
            self._process.stdin.close()

    def _order(self, order: bytes) -> None:
        if self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(order)


def read_exit(path: Path) -> Exit | None:
    """Return what a supervisor wrote about the end; None where it wrote nothing (whole)."""
    try:
        return Exit(**json.loads(path.read_text()))
    except (OSError, ValueError):
        return None
