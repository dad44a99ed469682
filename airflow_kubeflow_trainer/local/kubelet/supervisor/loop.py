"""Watch over one running program until nothing is left of it."""

from __future__ import annotations

import os
import select
import signal
import time

from . import processes
from .log_file import LogFile
from .log_writer import LogWriter
from .program import Program
from .spec import Exit, Order

MEMORY_POLL_SECONDS = 0.2
_READ_BYTES = 64 * 1024


class Loop:
    """Moves output into the log, follows the kubelet's orders, weighs memory and reaps."""

    def __init__(self, program: Program, *, log_file: LogFile, orders_fd: int, memory_limit_bytes: int | None) -> None:
        self._program = program
        self._log = LogWriter(log_file)
        self._orders_fd = orders_fd
        self._memory_limit = memory_limit_bytes
        self._started_at = time.time()
        self._status: int | None = None
        self._out_of_memory = False
        self._poll = select.poll()
        self._wake_fd = _wake_on_child()
        for fd in (orders_fd, self._wake_fd, *program.output):
            self._poll.register(fd, select.POLLIN)

    def run(self) -> Exit | None:
        """Return how the program ended, with every process of its container gone and all output written.

        None where the kubelet went away: then nobody may take the end for the program's own.
        """
        self._reap()
        while self._status is None:
            for fd, _ in self._poll.poll(self._timeout() * 1000):
                if fd == self._wake_fd:
                    os.read(fd, _READ_BYTES)
                elif fd == self._orders_fd:
                    if not self._obey(os.read(fd, _READ_BYTES)):
                        processes.kill_and_reap_descendants()
                        return None
                else:
                    self._copy(fd)
            self._weigh()
            self._reap()
        finished_at = time.time()
        self._clear_away()
        return Exit(
            code=_exit_code(self._status),
            started_at=self._started_at,
            finished_at=finished_at,
            out_of_memory=self._out_of_memory,
        )

    def _timeout(self) -> float:
        if self._memory_limit is not None:
            return MEMORY_POLL_SECONDS
        return 3600.0

    def _obey(self, orders: bytes) -> bool:
        if Order.TERMINATE in orders:
            self._program.signal(signal.SIGTERM)
        if Order.KILL in orders:
            processes.kill_descendants()
        return bool(orders)

    def _weigh(self) -> None:
        if self._memory_limit is None or self._out_of_memory:
            return
        if processes.memory_exceeds(processes.descendants(processes.own_number()), self._memory_limit):
            self._out_of_memory = True
            processes.kill_descendants()

    def _reap(self) -> None:
        try:
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                if ended[0] == self._program.number:
                    self._status = ended[1]
        except ChildProcessError:
            pass

    def _clear_away(self) -> None:
        """Kill what the program left behind, then take over the last of its output."""
        processes.kill_and_reap_descendants()
        for fd in self._program.output:
            while self._copy(fd):
                pass
        self._log.end()

    def _copy(self, fd: int) -> bool:
        try:
            data = os.read(fd, _READ_BYTES)
        except OSError:
            data = b""
        if data:
            self._log.feed(self._program.output[fd], data)
        elif self._status is None:
            self._poll.unregister(fd)
        return bool(data)


def _wake_on_child() -> int:
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
