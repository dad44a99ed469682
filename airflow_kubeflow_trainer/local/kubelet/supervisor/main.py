"""One container, from the spec on standard input to the exit file."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from . import root, syscalls
from .log_file import LogFile
from .loop import Loop
from .program import StartError, start
from .spec import Exit, Report, Spec

START_ERROR_CODE = 128

_STDIN, _STDOUT = 0, 1


def main() -> None:
    """Run one container and end with status 0, or die with the kubelet."""
    spec = Spec.from_json(_read_line(_STDIN))
    try:
        # Before anything is isolated: the container may not see where they lie.
        exit_fd = os.open(spec.exit_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        log_file = _open_log(spec)
    except OSError as error:
        _report(Report.EXIT, asdict(_start_error(error)))
        os._exit(0)
    try:
        if spec.root is not None:
            _isolate(spec)
        else:
            # Not to die with the kubelet: somebody has to kill the container first.
            syscalls.adopt_orphans()
        ended = _run(spec, log_file)
    except (OSError, StartError) as error:
        ended = _start_error(error)
    if ended is not None:
        _tell_exit(ended, exit_fd)
    os._exit(0)


def _open_log(spec: Spec) -> LogFile:
    return LogFile(
        spec.log_file,
        segment_bytes=spec.log_segment_bytes,
        segments=spec.log_segments,
        on_failure=lambda reason: _report(Report.LOG_FAILURE, reason),
    )


def _start_error(error: Exception) -> Exit:
    now = time.time()
    return Exit(code=START_ERROR_CODE, started_at=now, finished_at=now, start_error=str(error))


def _tell_exit(ended: Exit, exit_fd: int) -> None:
    # First where it outlives the kubelet.
    with suppress(OSError):
        os.write(exit_fd, json.dumps(asdict(ended)).encode())
        os.fsync(exit_fd)
    _report(Report.EXIT, asdict(ended))


def _report(kind: Report, value: Any) -> None:
    # The kubelet may have gone; what that means is its standard input's to say.
    with suppress(OSError):
        os.write(_STDOUT, kind.line(value))


def _isolate(spec: Spec) -> None:
    """Go on as the first process of new namespaces, below a parent that only waits."""
    assert spec.root is not None
    if spec.user_namespace_fd is not None:
        syscalls.setns(spec.user_namespace_fd, syscalls.CLONE_NEWUSER)
    if spec.network_namespace_fd is not None:
        syscalls.setns(spec.network_namespace_fd, syscalls.CLONE_NEWNET)
    flags = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
    syscalls.unshare(flags)
    # After setns, which forgets it.
    syscalls.die_with_parent(signal.SIGKILL)
    child = os.fork()
    if child:
        os.close(_STDIN)
        os.close(_STDOUT)
        os.waitpid(child, 0)
        os._exit(0)
    syscalls.die_with_parent(signal.SIGKILL)
    if spec.hostname:
        socket.sethostname(spec.hostname)
    root.enter(spec.root)


def _run(spec: Spec, log_file: LogFile) -> Exit | None:
    program = start(spec)
    _report(Report.STARTED, True)
    loop = Loop(program, log_file=log_file, orders_fd=_STDIN, memory_limit_bytes=spec.memory_limit_bytes)
    return loop.run()


def _read_line(fd: int) -> str:
    line = b""
    while not line.endswith(b"\n"):
        # Byte by byte: what follows the line is orders, and not ours.
        byte = os.read(fd, 1)
        if not byte:
            os._exit(1)
        line += byte
    return line.decode()
