"""What becomes of a TrainJob when its task is over."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from airflow_kubeflow_trainer.exceptions import ConfigError


class OnKillAction(StrEnum):
    """What becomes of a TrainJob whose task somebody ends: kill, mark as failed or success, clear, a timeout."""

    DELETE_TRAINJOB = "delete_trainjob"
    SUSPEND_TRAINJOB = "suspend_trainjob"
    """Its pods are stopped, the object stays and can be resumed by hand, until the task is tried again."""
    KEEP_TRAINJOB = "keep_trainjob"
    """It trains on, and nobody waits for it, until the task is tried again."""


class OnFinishAction(StrEnum):
    """What becomes of a TrainJob that has ended by itself."""

    KEEP_TRAINJOB = "keep_trainjob"
    DELETE_TRAINJOB = "delete_trainjob"
    DELETE_SUCCEEDED_TRAINJOB = "delete_succeeded_trainjob"
    """A failed one is kept, to be looked at."""


Action = TypeVar("Action", OnKillAction, OnFinishAction)


def choice(value: str, kind: type[Action], *, field: str) -> Action:
    """Turn a value into one of an enum's.

    :raises ConfigError: it is none of them; the message lists them.
    """
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(repr(str(member)) for member in kind)
        raise ConfigError(f"{field}: {value!r} is not known; it must be one of {choices}") from None
