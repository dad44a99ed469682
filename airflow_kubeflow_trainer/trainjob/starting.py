"""What keeps a TrainJob from starting, and how long each reason is borne."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.trainjob.pods import Pod, seconds

DEFAULT_PATIENCE: Mapping[str, float] = {"ErrImageNeverPull": 0.0, "InvalidImageName": 0.0}
"""Seconds by reason, for reasons that pass only when somebody changes the TrainJob; others have startup_timeout."""
_SAME_AS = {"ErrImagePull": "ImagePullBackOff"}
"""Reasons that take turns."""
STILL_SECONDS = 300.0
"""An event that has not come again for so long is taken to be over."""


@dataclass(frozen=True)
class Trouble:
    """One reason why something does not start, in the cluster's words."""

    reason: str
    message: str
    where: str
    """The pod, or the object that an event is about."""
    since: float
    """Seconds since the epoch, by the server's clock."""

    @property
    def words(self) -> str:
        """Reason and message."""
        return ": ".join(part for part in (self.reason, self.message) if part)

    def __str__(self) -> str:
        return f"{self.where}: {self.words}"

    def patience(self, limits: Mapping[str, float | None]) -> tuple[str, float] | None:
        """Give the reason, and how long it is borne; None for as long as it takes."""
        reason = _SAME_AS.get(self.reason, self.reason)
        for name in (self.reason, reason):
            if (limit := limits.get(name)) is not None:
                return name, limit
        return None


def troubles_of(pods: Iterable[Pod]) -> list[Trouble]:
    """Say for each pod that does not run why it does not."""
    found = []
    for pod in pods:
        if pod.phase == "Pending" and pod.trouble:
            reason, _, message = pod.trouble.partition(": ")
            found.append(Trouble(reason, message, pod.name, pod.trouble_since))
    return found


def trouble_of(event: Mapping[str, Any], *, now: float) -> Trouble | None:
    """Read a Kubernetes event; None for one that warns of nothing, or not any more."""
    if event.get("type") != "Warning" or now - last_seen(event) > STILL_SECONDS:
        return None
    about = event.get("involvedObject") or {}
    first = event.get("firstTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    where = f"{about.get('kind', 'object')} {about.get('name', '')}"
    return Trouble(event.get("reason") or "", event.get("message") or "", where, seconds(first) or now)


def last_seen(event: Mapping[str, Any]) -> float:
    """Give when an event was recorded last, in seconds since the epoch; 0 where it does not say."""
    # Controllers of the newer events API (Trainer, JobSet, the scheduler) leave lastTimestamp null.
    series = (event.get("series") or {}).get("lastObservedTime")
    moments = (event.get("lastTimestamp"), series, event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return seconds(next((moment for moment in moments if moment), None)) or 0.0
