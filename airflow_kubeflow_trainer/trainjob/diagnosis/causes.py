"""What a failure comes down to: whose fault it is, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from airflow_kubeflow_trainer import exceptions


class Cause(StrEnum):
    """Whose fault a failure was; each has an exception of its own."""

    USER_CODE = "UserCode"
    OUT_OF_MEMORY = "OutOfMemory"
    INITIALIZER = "Initializer"
    INFRASTRUCTURE = "Infrastructure"
    NOT_STARTED = "NotStarted"
    TIMEOUT = "Timeout"
    DELETED = "Deleted"
    UNREACHABLE = "Unreachable"
    UNKNOWN = "Unknown"

    @property
    def exception(self) -> type[exceptions.KubeflowTrainerError]:
        """The class of exception that a task fails with."""
        return _EXCEPTIONS[self]


_EXCEPTIONS: Mapping[Cause, type[exceptions.KubeflowTrainerError]] = {
    Cause.USER_CODE: exceptions.UserCodeError,
    Cause.OUT_OF_MEMORY: exceptions.OutOfMemoryError,
    Cause.INITIALIZER: exceptions.InitializerError,
    Cause.INFRASTRUCTURE: exceptions.InfrastructureError,
    Cause.NOT_STARTED: exceptions.TrainJobNotStartedError,
    Cause.TIMEOUT: exceptions.TrainJobTimeoutError,
    Cause.DELETED: exceptions.TrainJobDeletedError,
    Cause.UNREACHABLE: exceptions.ClusterUnreachableError,
    Cause.UNKNOWN: exceptions.TrainJobFailedError,
}


@dataclass(frozen=True)
class Diagnosis:
    """Why a TrainJob did not do what was asked. Its text is the same wherever it is shown."""

    cause: Cause
    message: str
    """The cause, in one sentence without its full stop."""
    pod: str | None = None
    """Name of the pod that is to blame, where one is."""
    remedy: str = ""
    """What to do, in one sentence without its full stop; empty where nobody can tell."""
    evidence: tuple[str, ...] = ()
    """What it rests on, in the words of those who said it."""
    name: str = ""
    """Name of the catalogue's entry; empty where none fits."""

    def __str__(self) -> str:
        return " ".join(f"{sentence}." for sentence in (self.message, self.remedy) if sentence)
