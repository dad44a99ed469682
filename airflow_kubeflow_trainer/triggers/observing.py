"""TrainJobSensorTrigger: observes TrainJobs on behalf of a sensor, and never touches them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypedDict, cast

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_kubeflow_trainer import exceptions
from airflow_kubeflow_trainer.cluster import observing
from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.trainjob.awaiting import Awaited, Verdict, expire
from airflow_kubeflow_trainer.trainjob.seen import Seen, Sighting, records_of
from airflow_kubeflow_trainer.triggers import log_channel


class SensorEvent(TypedDict):
    """How the waiting ended; plain data."""

    error: str | None
    """Name of the exception's class; None where the TrainJobs got there."""
    message: str
    expired: bool
    """Whether the sensor's time ran out."""
    seen: list[dict[str, Any]]
    """Records of the TrainJobs that decided it."""


class TrainJobSensorTrigger(BaseTrigger):
    """Waits until TrainJobs have got where they are awaited, and fires one event.

    Its arguments are stored by Airflow and shown in logs: names and numbers only.

    :param cluster: arguments of :class:`KubeflowTrainerHook`.
    :param awaited: an :class:`Awaited` as a dict.
    :param seen: records of what the worker saw before it deferred.
    :param started: when the sensor's clock began to run, in seconds since the epoch.
    :param deadline: when its time runs out.
    """

    def __init__(
        self,
        *,
        cluster: dict[str, Any],
        awaited: dict[str, Any],
        seen: list[dict[str, Any]],
        started: float,
        deadline: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cluster = cluster
        self.awaited = awaited
        self.seen = seen
        self.started = started
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "cluster": self.cluster,
                "awaited": self.awaited,
                "seen": self.seen,
                "started": self.started,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        event = await self._observe()
        await log_channel.flush()
        yield TriggerEvent(dict(event))  # type: ignore[no-untyped-call]

    async def _observe(self) -> SensorEvent:
        awaited, seen = Awaited(**self.awaited), Seen(self.seen)
        try:
            async with KubeflowTrainerHook(**self.cluster).share() as cluster:
                verdict = await observing.watch(
                    cluster.api,
                    cluster.feeds.trainjobs,
                    awaited,
                    seen,
                    deadline=self.deadline,
                    note=lambda text: self.log.info(text),
                )
        except Exception as error:  # noqa: BLE001 (without an event the task would end with a bare traceback)
            return event_of(Verdict(observing.refusal(error), ()))
        if verdict is None:
            return event_of(expire(awaited, seen, seconds=round(time.time() - self.started)), expired=True)
        return event_of(verdict)


def event_of(verdict: Verdict, *, expired: bool = False) -> SensorEvent:
    """Pack a verdict."""
    return SensorEvent(
        error=None if verdict.error is None else type(verdict.error).__name__,
        message="" if verdict.error is None else str(verdict.error),
        expired=expired,
        seen=records_of(verdict.sightings),
    )


def verdict_of(event: Mapping[str, Any] | None) -> tuple[Verdict, bool]:
    """Unpack what Airflow hands to a resumed sensor: the verdict, and whether its time ran out.

    :raises KubeflowTrainerError: it is no event of ours. Better to fail than to call it reached.
    """
    if event is None or SensorEvent.__required_keys__ - event.keys():
        raise KubeflowTrainerError(f"The trigger ended without saying what it saw: {event!r}")
    found = cast(SensorEvent, event)
    error = None if found["error"] is None else getattr(exceptions, found["error"])(found["message"])
    return Verdict(error, tuple(Sighting(**record) for record in found["seen"])), found["expired"]
