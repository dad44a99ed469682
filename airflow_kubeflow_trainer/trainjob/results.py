"""What a training function returned, as rank 0's termination message tells it."""

from __future__ import annotations

import json
from typing import Any

from airflow_kubeflow_trainer.exceptions import ResultError


def returned_value(message: str | None) -> Any:
    """Read the message that remote.py has written.

    :param message: None where no pod of rank 0 was seen after it had succeeded.
    :raises ResultError: there is none, or the value could not be handed over.
    """
    if message is None:
        raise ResultError(
            "The training succeeded, but what it returned is not known: the pod of rank 0 could not be read. Either it "
            "was deleted at once, or pods may not be listed and watched"
        )
    try:
        answer = json.loads(message)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and "result" in answer:
        return answer["result"]
    if isinstance(answer, dict) and "error" in answer:
        raise ResultError(f"The training succeeded, but what it returned cannot be handed over: {answer['error']}")
    raise ResultError(
        "The training succeeded, but what it returned is not known: the termination message of rank 0 "
        f"(/dev/termination-log) is {message[:200]!r}"
    )
