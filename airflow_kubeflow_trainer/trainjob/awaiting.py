"""Whether TrainJobs that somebody else runs have got where they are awaited: one decision, however it is looked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from airflow_kubeflow_trainer.exceptions import (
    KubeflowTrainerError,
    TrainJobDeletedError,
    TrainJobFailedError,
    TrainJobMissingError,
    TrainJobSucceededError,
    TrainJobTimeoutError,
)
from airflow_kubeflow_trainer.trainjob.phase import Phase
from airflow_kubeflow_trainer.trainjob.seen import Seen, Sighting
from airflow_kubeflow_trainer.trainjob.selectors import parse_selector

MAX_NAMED = 5
"""TrainJobs that a message names one by one."""


class Until(StrEnum):
    """What a TrainJob is awaited to be."""

    COMPLETE = "complete"
    FAILED = "failed"
    FINISHED = "finished"
    """Either of both."""
    RUNNING = "running"
    """Every node trains, or has trained: one that is complete has run, seen or not."""
    ADMITTED = "admitted"
    """Not suspended (any more), as by Kueue when there is quota."""
    SUSPENDED = "suspended"


class Which(StrEnum):
    """Of those that a label selector matches, which count."""

    ALL = "all"
    """All that there are, and at least one."""
    ANY = "any"


_REACHED: Mapping[Until, Callable[[Sighting], bool]] = {
    Until.COMPLETE: lambda seen: seen.phase == Phase.SUCCEEDED,
    Until.FAILED: lambda seen: seen.phase == Phase.FAILED,
    Until.FINISHED: lambda seen: seen.report.phase.final,
    Until.RUNNING: lambda seen: seen.phase in (Phase.RUNNING, Phase.SUCCEEDED),
    Until.ADMITTED: lambda seen: seen.phase not in (Phase.QUEUED, Phase.FAILED) and not seen.held,
    Until.SUSPENDED: lambda seen: seen.suspended,
}


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """Which TrainJobs are awaited, and what they are awaited to be; only text, so that it can travel."""

    until: str
    """Value of an :class:`Until`."""
    name: str | None = None
    label_selector: str | None = None
    which: str = Which.ALL.value
    """Value of a :class:`Which`."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def matcher(self) -> Callable[[Mapping[str, Any]], bool]:
        """Give what tells whether a TrainJob is one of them."""
        if self.name is not None:
            return lambda trainjob: bool(trainjob["metadata"]["name"] == self.name)
        selects = parse_selector(self.label_selector or "")
        return lambda trainjob: selects(trainjob["metadata"].get("labels") or {})

    def __str__(self) -> str:
        if self.name is not None:
            return f"TrainJob {self.name}"
        return f"{self.which} TrainJob{'s' * (self.which == Which.ALL)} with {self.label_selector}"


@dataclass(frozen=True)
class Verdict:
    """That the waiting is over, and why."""

    error: KubeflowTrainerError | None
    """What the task fails with; None where they got there."""
    sightings: tuple[Sighting, ...]
    """Those that decided it."""


def decide(awaited: Awaited, seen: Seen) -> Verdict | None:
    """Say whether the waiting is over, by all that was seen so far; None where it goes on."""
    reached, missed, everything = [], [], list(seen)
    for sighting in everything:
        if _has_reached(awaited, sighting):
            reached.append(sighting)
        elif sighting.gone or sighting.report.phase.final:
            missed.append(sighting)
    if awaited.which == Which.ANY and reached:
        return Verdict(None, tuple(reached))
    if missed and (awaited.which == Which.ALL or len(missed) == len(everything)):
        return Verdict(_explain(awaited, missed), tuple(missed))
    if everything and len(reached) == len(everything):
        return Verdict(None, tuple(reached))
    return None


def expire(awaited: Awaited, seen: Seen, *, seconds: float) -> Verdict:
    """Say what was missing when the time ran out."""
    everything = list(seen)
    if not everything:
        text = f"{_called(awaited)} did not appear within {seconds:g} s: there was none at any time"
        return Verdict(TrainJobMissingError(text), ())
    waiting = [sighting for sighting in everything if not _has_reached(awaited, sighting)]
    states = _enumerate(f"{sighting} was still {sighting.report}" for sighting in waiting)
    return Verdict(
        TrainJobTimeoutError(f"Not {awaited.until} within {seconds:g} s: {states}"),
        tuple(waiting),
    )


def _has_reached(awaited: Awaited, sighting: Sighting) -> bool:
    # One that went away on its way is nowhere any more; how one ended stays true.
    lost = sighting.gone and not sighting.report.phase.final
    return not lost and _REACHED[Until(awaited.until)](sighting)


def _explain(awaited: Awaited, missed: list[Sighting]) -> KubeflowTrainerError:
    """Make the error of those that will not get there any more; a failure is told before what was deleted."""
    failed = [sighting for sighting in missed if sighting.phase == Phase.FAILED]
    succeeded = [sighting for sighting in missed if sighting.phase == Phase.SUCCEEDED]
    until = f"while {awaited.until!r} was awaited"
    if failed:
        return TrainJobFailedError(f"{_enumerate(f'{one} ended as {one.report}' for one in failed)}, {until}")
    if succeeded:
        return TrainJobSucceededError(f"{_enumerate(f'{one} ended as {one.report}' for one in succeeded)}, {until}")
    relabelled = "" if awaited.name is not None else ", or its labels changed,"
    states = _enumerate(f"{one} was deleted{relabelled} when it was {one.report}" for one in missed)
    return TrainJobDeletedError(f"{states}, {until}")


def _called(awaited: Awaited) -> str:
    return str(awaited) if awaited.name is not None else f"A TrainJob with {awaited.label_selector}"


def _enumerate(texts: Iterable[str]) -> str:
    found = list(texts)
    more = f"; and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return "; ".join(found[:MAX_NAMED]) + more
