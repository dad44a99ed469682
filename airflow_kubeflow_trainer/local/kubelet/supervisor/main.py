"""One container, from the spec on standard input to the exit file."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from dataclasses import asdict

from . import root, syscalls
from .loop import Loop
from .program import StartError, start
from .spec import Exit, Spec

STARTED = b"started\n"
"""Written to standard output once the program runs."""
START_ERROR_CODE = 128

_STDIN, _STDOUT = 0, 1


def main() -> None:
    """Run one container and end with status 0, or die with the kubelet."""
    spec = Spec.from_json(_read_line(_STDIN))
    log_fd = os.open(spec.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    exit_fd = os.open(spec.exit_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if spec.root is not None:
            _isolate(spec)
        else:
            # Not to die with the kubelet: somebody has to kill the container first.
            syscalls.adopt_orphans()
        ended = _run(spec, log_fd)
    except (OSError, StartError) as error:
        now = time.time()
        ended = Exit(code=START_ERROR_CODE, started_at=now, finished_at=now, start_error=str(error))
    if ended is not None:
        os.write(exit_fd, json.dumps(asdict(ended)).encode())
        os.fsync(exit_fd)
    os._exit(0)


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


def _run(spec: Spec, log_fd: int) -> Exit | None:
    program = start(spec)
    os.write(_STDOUT, STARTED)
    os.close(_STDOUT)
    loop = Loop(program, log_fd=log_fd, orders_fd=_STDIN, memory_limit_bytes=spec.memory_limit_bytes)
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
