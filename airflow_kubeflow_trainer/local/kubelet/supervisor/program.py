"""Start a container's program: the last steps before it is what Kubernetes says it is."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from . import syscalls
from .spec import Spec

_RESET_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StartError(Exception):
    """The program could not be started; the message is the container runtime's."""


@dataclass(frozen=True)
class Program:
    """A program that runs, in a session of its own."""

    number: int
    output: dict[int, str]
    """The reading ends of its pipes, and which stream each is."""

    def signal(self, number: int) -> None:
        """Send a signal to the program's whole process group."""
        try:
            os.killpg(self.number, number)
        except ProcessLookupError:
            pass


def start(spec: Spec) -> Program:
    """Start the program.

    :raises StartError: no such program, or it may not be run.
    """
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    # Close-on-exec: at its end once the program runs, else it brings the error.
    failure_read, failure_write = os.pipe()
    number = os.fork()
    if number == 0:
        _become(spec, out_write=out_write, err_write=err_write, failure_write=failure_write)
    for fd in (out_write, err_write, failure_write):
        os.close(fd)
    with os.fdopen(failure_read, "rb") as pipe:
        failure = pipe.read()
    if failure:
        os.waitpid(number, 0)
        raise StartError(failure.decode(errors="replace"))
    return Program(number, {out_read: "stdout", err_read: "stderr"})


def _become(spec: Spec, *, out_write: int, err_write: int, failure_write: int) -> None:
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        os.setsid()
        os.umask(0o022)
        for number in _RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out_write, 1)
        os.dup2(err_write, 2)
        os.makedirs(spec.working_directory, exist_ok=True)
        os.chdir(spec.working_directory)
        os.execvpe(spec.argv[0], spec.argv, spec.env)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reader's to see
        os.write(failure_write, _explain(error, spec).encode())
        os._exit(128)


def _explain(error: BaseException, spec: Spec) -> str:
    program = spec.argv[0]
    if isinstance(error, FileNotFoundError):
        where = "no such file or directory" if "/" in program else "executable file not found in $PATH"
        return f'exec: "{program}": {where}'
    if isinstance(error, OSError):
        return f'exec: "{program}": {(error.strerror or str(error)).lower()}'
    return f'exec: "{program}": {error}'
