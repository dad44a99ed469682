"""The event that a wait ends with: small, plain data, and all that a task needs to finish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from airflow_kubeflow_trainer.cluster.waiting import Outcome
from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause

MAX_MESSAGE, MAX_TAIL_LINE = 2_000, 500
"""Characters; events travel through Airflow's database."""
MAX_METRICS = 50


class TrainJobEvent(TypedDict):
    """How a TrainJob ended."""

    name: str
    namespace: str
    uid: str | None
    cause: str | None
    """Value of a :class:`Cause`; None where it succeeded."""
    alive: bool
    """Whether the TrainJob may still be going on."""
    message: str
    """Why it failed and what to do, in sentences; empty where it succeeded."""
    log_tail: list[str]
    result: Any
    """Where the trained model lies; None where it is not kept."""
    returned: str | None
    """What a training function returned, as its termination message has it; None where rank 0's pod was not seen."""
    metrics: dict[str, Any]
    """The last value of each metric that the training told."""


def event_of(
    outcome: Outcome, *, name: str, namespace: str, uid: str | None, result: Any, metrics: dict[str, Any]
) -> TrainJobEvent:
    """Pack an outcome."""
    diagnosis = outcome.diagnosis
    return TrainJobEvent(
        name=name,
        namespace=namespace,
        uid=uid,
        cause=diagnosis.cause.value if diagnosis else None,
        alive=outcome.alive,
        message=str(diagnosis)[:MAX_MESSAGE] if diagnosis else "",
        log_tail=[line[:MAX_TAIL_LINE] for line in outcome.log_tail],
        result=result,
        returned=outcome.returned,
        metrics=dict(list(metrics.items())[:MAX_METRICS]),
    )


def error_of(event: TrainJobEvent) -> KubeflowTrainerError | None:
    """Make the exception that a task fails with: why, what to do, and the log's last lines. None for a success."""
    if event["cause"] is None:
        return None
    text = f"TrainJob {event['namespace']}/{event['name']} did not succeed. {event['message']}"
    if event["log_tail"]:
        text += "\nLast lines of its log:\n" + "\n".join(f"  {line}" for line in event["log_tail"])
    return Cause(event["cause"]).exception(text)


def parse_event(event: Mapping[str, Any] | None) -> TrainJobEvent:
    """Check what Airflow hands to a resumed task.

    :raises KubeflowTrainerError: it is no event of ours. Better to fail than to call a training good.
    """
    missing = TrainJobEvent.__required_keys__ - (event or {}).keys()
    if event is None or missing:
        raise KubeflowTrainerError(f"The trigger ended without saying how the TrainJob did: {event!r}")
    return cast(TrainJobEvent, dict(event))
