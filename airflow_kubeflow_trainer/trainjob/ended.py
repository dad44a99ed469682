"""TrainJobs that have ended, and which of their ends have been told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from airflow_kubeflow_trainer.trainjob.phase import Phase
from airflow_kubeflow_trainer.trainjob.pods import seconds
from airflow_kubeflow_trainer.trainjob.seen import Sighting

MAX_KEPT = 500
"""Ends that are remembered one by one: some 30 kB. Of what ended before them, the time stands for all."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a TrainJob ended; plain data."""

    name: str
    namespace: str
    uid: str
    outcome: str
    """``complete`` or ``failed``."""
    reason: str
    message: str
    ended_at: str
    """RFC 3339, by the cluster's clock; empty where the cluster does not say."""
    labels: dict[str, str]

    @classmethod
    def of(cls, trainjob: Mapping[str, Any]) -> Self | None:
        """Read how a TrainJob ended; None where it has not."""
        sighting = Sighting.of(trainjob)
        if not sighting.report.phase.final:
            return None
        failed = sighting.phase == Phase.FAILED
        return cls(
            name=sighting.name,
            namespace=sighting.namespace,
            uid=sighting.uid,
            outcome="failed" if failed else "complete",
            reason=sighting.reason,
            message=sighting.message,
            ended_at=_ended_at(trainjob, "Failed" if failed else "Complete"),
            labels=dict(trainjob["metadata"].get("labels") or {}),
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Told:
    """Which ends have been told, or had come before anybody was to be told.

    What :meth:`take` gives is told once by this process; :meth:`confirm` says that it has arrived, and only that is
    stored. So a process that goes on from what is stored tells an end again rather than never.

    :param stored: what :meth:`stored` gave before. None: nothing was ever told, and what has ended by the first look is
        none of the teller's concern.
    """

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self._begun = stored is not None
        self._since: float = (stored or {}).get("since", 0.0)
        self._kept: dict[str, float] = dict((stored or {}).get("uids", {}))
        self._taken: set[str] = set()

    def take(self, ended: Iterable[Ended]) -> list[Ended]:
        """Give those whose end is to be told now."""
        found = [one for one in ended if self._is_new(one)]
        self._taken |= {one.uid for one in found}
        begun, self._begun = self._begun, True
        return found if begun else []

    def confirm(self, ended: Iterable[Ended], *, there: Iterable[str] | None) -> None:
        """Take note that these have been told.

        :param there: the uids of all TrainJobs that there are; what is gone cannot end again. None: not known.
        """
        for one in ended:
            if one.uid in self._taken:
                self._taken.discard(one.uid)
                self._kept[one.uid] = seconds(one.ended_at) or 0.0
        if there is not None:
            self._kept = {uid: self._kept[uid] for uid in self._kept.keys() & set(there)}
        oldest_first = sorted(self._kept, key=lambda uid: (self._kept[uid], uid))
        for uid in oldest_first[:-MAX_KEPT]:
            self._since = max(self._since, self._kept.pop(uid))

    def stored(self) -> dict[str, Any]:
        """Give what is to be stored; it does not grow."""
        return {"since": self._since, "uids": dict(sorted(self._kept.items()))}

    def _is_new(self, one: Ended) -> bool:
        moment = seconds(one.ended_at)
        return one.uid not in self._kept.keys() | self._taken and (moment is None or moment > self._since)


def _ended_at(trainjob: Mapping[str, Any], kind: str) -> str:
    conditions = (trainjob.get("status") or {}).get("conditions") or []
    return next((c.get("lastTransitionTime") or "" for c in conditions if c["type"] == kind), "")
