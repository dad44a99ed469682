"""When it is no use that a container which failed is started again.

Trainer's runtimes restart a container in place six times (``restartPolicy: OnFailure``, the Job's ``backoffLimit``),
which no patch can change, and an ImportError is one seven times over. So the one who waits ends the try.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from airflow_kubeflow_trainer.trainjob.diagnosis.tracebacks import fatal_chains
from airflow_kubeflow_trainer.trainjob.pods import Pod, Termination

_NOT_RUNNABLE = {126: "its command cannot be executed", 127: "its command is not found"}
_SAME_AGAIN = frozenset(
    {
        "ArgumentError", "AssertionError", "AttributeError", "ConfigError", "FileNotFoundError", "ImportError",
        "IndentationError", "IndexError", "InstantiationError", "KeyError", "ModuleNotFoundError", "NameError",
        "NotImplementedError", "RecursionError", "SyntaxError", "TabError", "TypeError", "UnboundLocalError",
        "UnicodeDecodeError", "ValueError", "ZeroDivisionError",
    }
)  # fmt: skip
"""Exceptions that code and data bring about, and no network, disk or device: they come again."""


class FailedRuns:
    """How often each pod's place (a replicated job's index) has failed, in whatever pods."""

    def __init__(self) -> None:
        self._runs: defaultdict[tuple[str, int], dict[str, int]] = defaultdict(dict)

    def see(self, pod: Pod) -> int:
        """Take note of a pod that failed; return how many runs have failed in its place."""
        assert pod.main is not None
        runs = self._runs[pod.job, pod.index]
        runs[pod.uid] = max(runs.get(pod.uid, 0), pod.main.ended_run + 1)
        return sum(runs.values())


def why_not_again(
    failure: Termination, lines: Iterable[str], *, failed_runs: int, max_restarts: int | None
) -> str | None:
    """Say why another run is no use; None where Kubernetes may try again.

    :param lines: the last ones that the failed run wrote.
    :param max_restarts: how many restarts are allowed. None: as many as Trainer allows, and none where the failure
        looks like the code's or the data's own.
    """
    if max_restarts is not None:
        spent = failed_runs > max_restarts
        return f"it has failed {failed_runs} times, and max_restarts is {max_restarts}" if spent else None
    error = _lasting_error(failure, lines)
    return f"{error}, and would so again" if error else None


def _lasting_error(failure: Termination, lines: Iterable[str]) -> str | None:
    if failure.exit_code in _NOT_RUNNABLE:
        return _NOT_RUNNABLE[failure.exit_code]
    if failure.reason in ("StartError", "ContainerCannotRun"):
        return "its command cannot be started"
    # Python's code for an exception that nobody caught, and torchrun's for a worker that had one.
    if failure.exit_code != 1:
        return None
    kinds = [raised.kind for chain in fatal_chains(list(lines)) for raised in chain.raised]
    found = next((kind for kind in kinds if kind.rpartition(".")[2] in _SAME_AGAIN), None)
    return f"its code ended with {found}" if found else None
