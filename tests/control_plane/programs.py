"""The programs that `make control-plane` has built: started, watched, and gone with whoever started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".build" / "control-plane"


class ControlPlaneError(RuntimeError):
    """The control plane is not built, or did not start."""


class Programs:
    """The processes of one control plane.

    They die with the thread that starts them, however that ends.
    """

    def __init__(self, directory: Path, *, logs: Path) -> None:
        """:param directory: where they run; their logs are kept in `logs`, one file each."""
        if not (BUILT / "bin" / "kube-apiserver").exists():
            raise ControlPlaneError("The real control plane is not built: run `make control-plane`")
        self._directory, self._logs = directory, logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, program: str, *arguments: str, built: Path | None = None, within: Sequence[str] = (), **environment: str
    ) -> None:
        """Start a program; one that was stopped goes on in the same log.

        :param built: where it was built. Default: where the control plane was.
        :param within: a command that comes before its own, such as `unshare`.
        """
        with (self._logs / f"{program}.log").open("ab") as log:
            self._processes[program] = subprocess.Popen(
                [*within, str((built or BUILT) / "bin" / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=self._directory,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def pid(self, program: str) -> int:
        """The process of a program."""
        return self._processes[program].pid

    def stop(self, program: str) -> None:
        """Kill a program."""
        process = self._processes.pop(program)
        process.kill()
        process.wait()

    def stop_all(self) -> None:
        """Kill them all, the last one first."""
        for program in reversed(list(self._processes)):
            self.stop(program)

    def check(self) -> None:
        """See that they run.

        :raises ControlPlaneError: one has ended; the message has the end of its log.
        """
        for program, process in self._processes.items():
            if process.poll() is not None:
                log = (self._logs / f"{program}.log").read_text(errors="replace").splitlines()
                end = "\n".join(log[-20:])
                raise ControlPlaneError(f"{program} ended with exit code {process.returncode}\n{end}")


_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
