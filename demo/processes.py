"""Processes that belong together: started with a log file each, and ended to the last descendant."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

GRACE_SECONDS = 8.0


class ProcessError(RuntimeError):
    """A process ended, though it was to go on, or did not do its work; the message has the end of its log."""


class ProcessFamily:
    """Everything that runs with one value of one environment variable.

    A process is found by its environment, not by its parent or process group: Airflow gives each task a process group
    of its own, and what a killed session left behind has no parent any more.
    """

    def __init__(self, *, marker: str, value: str, logs: Path) -> None:
        self._marker = marker
        self._value = value
        self._logs = logs
        self._leaders: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str]) -> None:
        """Start a command in a process group of its own; its output goes to `<logs>/<name>.log`."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            self._leaders[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # SPT_NOENV keeps setproctitle from writing its title over the environment that we look for.
                env={**env, self._marker: self._value, "SPT_NOENV": "1"},
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Where the output of that process is written."""
        return self._logs / f"{name}.log"

    def wait(self, name: str, *, timeout: float) -> None:
        """Wait for a command that ends by itself; raises ProcessError unless it ends well within `timeout` seconds."""
        try:
            code = self._leaders[name].wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{name} did not end within {timeout:g} s\n{self._tail(name)}") from None
        del self._leaders[name]
        if code != 0:
            raise ProcessError(f"{name} ended with exit code {code}\n{self._tail(name)}")

    def check(self) -> None:
        """Raise ProcessError if a process that was started, and not waited for, is no longer there."""
        for name in self.ended():
            raise ProcessError(f"{name} ended with exit code {self._leaders[name].returncode}\n{self._tail(name)}")

    def ended(self) -> list[str]:
        """Name the processes that were started, and not waited for, and are no longer there."""
        return [name for name, process in self._leaders.items() if process.poll() is not None]

    def kill(self, name: str) -> None:
        """Send SIGKILL to a process and all its descendants, as the loss of its machine would."""
        leader = self._leaders.pop(name)
        doomed = psutil.Process(leader.pid)
        for process in (*doomed.children(recursive=True), doomed):
            process.kill()
        leader.wait()

    def leader(self, name: str) -> psutil.Process:
        """The process that was started by this name."""
        return psutil.Process(self._leaders[name].pid)

    def pause(self, name: str, *, on: bool) -> None:
        """Stop a process and all its descendants where they stand, or let them go on."""
        leader = self.leader(name)
        for process in (leader, *leader.children(recursive=True)):
            process.suspend() if on else process.resume()

    def stop(self) -> None:
        """End all of the family: SIGTERM to what was started here, SIGKILL to what is left after a while."""
        for process in self._leaders.values():
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in self._leaders.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._leaders.clear()
        while left := self.members():
            for member in left:
                member.kill()
            psutil.wait_procs(left, timeout=GRACE_SECONDS)

    def members(self) -> list[psutil.Process]:
        """The living processes of the family, those that an earlier session left behind included."""
        return [process for process in psutil.process_iter() if self._is_member(process)]

    def _is_member(self, process: psutil.Process) -> bool:
        try:
            alive = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
            return alive and process.environ().get(self._marker) == self._value
        except (psutil.Error, OSError):
            return False

    def _tail(self, name: str, *, lines: int = 30) -> str:
        text = self.log(name).read_text(encoding="utf-8", errors="replace")
        return "\n".join([f"The end of {self.log(name)}:", *text.splitlines()[-lines:]])
