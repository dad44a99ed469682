"""What the controller remembers of a TrainJob's JobSet and Jobs between two looks at its pods.

A real cluster keeps it in the status of JobSet and Job objects. Here it is an annotation of the ConfigMap that holds
the runtime's snapshot, so that a restart of the cluster neither forgets nor repeats a finished Job.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

ANNOTATION = "local.airflow-kubeflow-trainer/jobs"


class Outcome(StrEnum):
    """How far a Job is."""

    ACTIVE = "Active"
    FAILING = "Failing"
    """It will have failed once its last pods are gone."""
    FAILED = "Failed"
    COMPLETE = "Complete"


@dataclass(kw_only=True)
class JobRecord:
    """What a Job's status says. Times are seconds since the epoch."""

    started: float | None = None
    suspended: bool = False
    outcome: Outcome = Outcome.ACTIVE
    finished: float | None = None
    reason: str = ""
    message: str = ""
    succeeded_indexes: list[int] = field(default_factory=list)
    failed_pods: int = 0
    counted: list[str] = field(default_factory=list)
    """Uids of ended pods that are part of the counts and may still be there."""
    failures_in_a_row: int = 0
    last_failure: float | None = None
    pods_made: int = 0

    @property
    def over(self) -> bool:
        """Whether the Job has ended."""
        return self.outcome in (Outcome.FAILED, Outcome.COMPLETE)


@dataclass(kw_only=True)
class Record:
    """What a JobSet's spec and status say, and its Jobs'."""

    created: bool = False
    suspended: bool = False
    told_suspended: bool = False
    """What the last event about suspension said."""
    deleted: bool = False
    """The TrainJob's deadline has passed, and all its children are gone or going."""
    ended: dict[str, Any] | None = None
    """The terminal condition: type, reason, message and time."""
    jobs: dict[str, JobRecord] = field(default_factory=dict)

    def dump(self) -> str:
        """Write the record as JSON, the same record always as the same text."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Record:
        """Read what :meth:`dump` wrote."""
        fields = json.loads(text)
        jobs = {
            name: JobRecord(**{**job, "outcome": Outcome(job["outcome"])}) for name, job in fields.pop("jobs").items()
        }
        return cls(**fields, jobs=jobs)
