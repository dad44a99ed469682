"""A function as the command of a container.

``bash -c SCRIPT NAME SOURCE CALL RUNNER``: the source and its arguments are arguments of their own, so that no shell
ever reads them. Kubernetes does: it expands ``$(NAME)``, and only ``$$`` is a ``$`` under all circumstances.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.config.function import TrainingFunction
from airflow_kubeflow_trainer.config.payload import to_json
from airflow_kubeflow_trainer.exceptions import ConfigError

LONGEST_ARGUMENT = 128 * 1024 - 1
"""Bytes of one argument of a process (Linux, MAX_ARG_STRLEN), without the NUL at its end."""
TERMINATION_LOG = "/dev/termination-log"

_MPIRUN = ("mpirun", "--hostfile", "/etc/mpi/hostfile")
"""Where Trainer's MPI policy lists the nodes."""


@dataclass(frozen=True)
class Call:
    """A function, and what it is called with, encoded."""

    function: TrainingFunction
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    def json(self) -> str:
        """Write it down for the other end (remote.py)."""
        function = self.function
        return to_json(
            {
                "function": function.name,
                "file": function.file,
                "line": function.line,
                "lazy_annotations": function.lazy_annotations,
                "args": list(self.args),
                "kwargs": dict(self.kwargs),
            }
        )


def function_command(
    call: Call, *, policy: str, packages: Sequence[str] = (), index_urls: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """Give command and args of the container that calls a function.

    :param policy: the runtime's: by ``torch`` it is torchrun that starts the processes, by ``mpi`` mpirun, by any other
        there is one on each node.
    :raises ConfigError: it is too large, or an argument cannot travel.
    """
    script = _script("exec torchrun" if policy == "torch" else "exec python -u", packages, index_urls)
    source, arguments = call.function.source, call.json()
    _check_size(source, f"func: the source of {call.function.name}()", "import most of it from a package in the image")
    _check_size(arguments, f"the arguments of {call.function.name}()", "pass the path or the URI of what is large")
    shell = ["bash", "-c", _escape(script)]
    args = [_escape(text) for text in (call.function.name, source, arguments, _runner())]
    return [*_MPIRUN, *shell] if policy == "mpi" else shell, args


def _script(launcher: str, packages: Sequence[str], index_urls: Sequence[str]) -> str:
    lines = [
        "set -e",
        "folder=$(mktemp -d)",
        'printf %s "$1" > "$folder/function.py"',
        'printf %s "$2" > "$folder/call.json"',
        'printf %s "$3" > "$folder/run.py"',
        *_installation(packages, index_urls),
        f'{launcher} "$folder/run.py" "$folder/function.py" "$folder/call.json" {TERMINATION_LOG}',
    ]
    return "\n".join(lines) + "\n"


def _installation(packages: Sequence[str], index_urls: Sequence[str]) -> list[str]:
    if not packages:
        return []
    words = ["python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    for option, url in zip(["--index-url", *["--extra-index-url"] * len(index_urls)], index_urls, strict=False):
        words += [option, url]
    failure = f"packages_to_install: pip could not install {', '.join(packages)}; its own words are in the log"
    return [
        f"{shlex.join([*words, *packages])} || {{",
        f"  echo {shlex.quote(failure)} | tee {TERMINATION_LOG} >&2",
        "  exit 1",
        "}",
    ]


def _escape(text: str) -> str:
    """Write text so that Kubernetes' expansion gives it back; it would even break the letter after a single ``$``."""
    return text.replace("$", "$$")


def _check_size(text: str, what: str, remedy: str) -> None:
    size = len(text.encode())
    if size > LONGEST_ARGUMENT:
        raise ConfigError(f"{what}: {size} bytes, and a process takes {LONGEST_ARGUMENT} at most; {remedy}")


@functools.cache
def _runner() -> str:
    return Path(__file__).with_name("remote.py").read_text()
