"""What has been seen of TrainJobs that somebody else runs: their last state, and for good how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport, has_pods, is_held_back, phase_of

MAX_MESSAGE = 500
"""Characters; what was seen travels through Airflow's database."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One TrainJob as it was last seen; plain enough to be stored."""

    name: str
    namespace: str
    uid: str
    phase: str
    """Value of a :class:`Phase`."""
    reason: str
    message: str
    suspended: bool
    """Whether it is to be suspended, the cluster says that it is, and its pods have ended. ``Suspended=False`` says
    that it was, once."""
    held: bool = False
    """Whether its pods are held back, be it suspended or said to be resumed."""
    gone: bool = False
    """Whether it was there and no longer is."""

    @classmethod
    def of(cls, trainjob: Mapping[str, Any]) -> Self:
        """Look at a TrainJob as the API server gives it."""
        metadata = trainjob["metadata"]
        report = phase_of(trainjob, trainer_job=trainer_job_of(trainjob))
        queued, wanted = report.phase is Phase.QUEUED, bool(trainjob["spec"].get("suspend"))
        return cls(
            name=metadata["name"],
            namespace=metadata.get("namespace", ""),
            uid=metadata["uid"],
            phase=report.phase.value,
            reason=report.reason,
            message=report.message[:MAX_MESSAGE],
            # The cluster says so for some moments more when it is resumed, and not yet when it is told to suspend.
            suspended=queued and bool(report.reason) and wanted and not has_pods(trainjob),
            held=is_held_back(trainjob) and not report.phase.final,
        )

    @property
    def report(self) -> PhaseReport:
        """Where it was on its way."""
        return PhaseReport(Phase(self.phase), self.reason, self.message)

    def __str__(self) -> str:
        return f"TrainJob {self.namespace}/{self.name}"


class Seen:
    """All TrainJobs that were seen, each as it was last; the first end that is seen of one is its end.

    Trainer 2.3 may take the condition ``Failed`` back (trainer#3737), and whoever made a TrainJob may delete it once it
    has ended: neither changes how it ended.

    :param records: what :meth:`to_records` gave before.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        self._by_uid = {record["uid"]: Sighting(**record) for record in records}

    def __iter__(self) -> Iterator[Sighting]:
        return iter(sorted(self._by_uid.values(), key=lambda sighting: (sighting.name, sighting.uid)))

    def see(self, trainjob: Mapping[str, Any]) -> None:
        """Take note of one TrainJob as it is now."""
        sighting = Sighting.of(trainjob)
        known = self._by_uid.get(sighting.uid)
        if known is None or not known.report.phase.final:
            self._by_uid[sighting.uid] = sighting

    def lose(self, uid: str) -> None:
        """Take note that one is not there any more."""
        if uid in self._by_uid:
            self._by_uid[uid] = replace(self._by_uid[uid], gone=True)

    def see_all(self, trainjobs: Iterable[Mapping[str, Any]]) -> None:
        """Take note of all TrainJobs that there are: those that were seen before and are not among them are gone."""
        there = {trainjob["metadata"]["uid"]: trainjob for trainjob in trainjobs}
        for trainjob in there.values():
            self.see(trainjob)
        for uid in self._by_uid.keys() - there.keys():
            self.lose(uid)

    def missing_from(self, uids: Iterable[str]) -> bool:
        """Whether one that was there when it was last seen is not among these."""
        return not {uid for uid, sighting in self._by_uid.items() if not sighting.gone} <= set(uids)

    def to_records(self) -> list[dict[str, Any]]:
        """Give all of it as plain data."""
        return records_of(self)


def records_of(sightings: Iterable[Sighting]) -> list[dict[str, Any]]:
    """Give sightings as plain data."""
    return [asdict(sighting) for sighting in sightings]


def trainer_job_of(trainjob: Mapping[str, Any]) -> str:
    """Guess which replicated job trains, from the TrainJob alone: its runtime may not be ours to read.

    ``launcher`` where there is one (deepspeed, MPI: its nodes only wait for it), else ``node``, else whichever is no
    initializer.
    """
    names = sorted(job["name"] for job in (trainjob.get("status") or {}).get("jobsStatus") or [])
    others = [name for name in names if not name.endswith("initializer")]
    return next((name for name in ("launcher", "node") if name in names), next(iter(others), "node"))
