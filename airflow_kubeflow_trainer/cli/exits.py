"""Exit codes, which scripts can rely on."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a command ends with."""

    DONE = 0
    """It did what was asked, or the answer is yes."""
    NO = 1
    """The answer is no: the TrainJob failed, would be refused, or the cluster cannot run any."""
    USAGE = 2
    """What was asked for cannot be: an unknown argument, a wrong value, a kubeconfig that cannot be read."""
    NO_ANSWER = 3
    """The cluster does not answer, does not let us in, or does not permit it."""
    NOT_FOUND = 4
    """There is no such TrainJob, pod, DAG or task."""
    INTERRUPTED = 130
    """By Ctrl-C."""
