"""What is waited for, how it ended, and who is told meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

from airflow_kubeflow_trainer.cluster.followers import LogNodes
from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.trainjob.diagnosis import Diagnosis
from airflow_kubeflow_trainer.trainjob.phase import PhaseReport
from airflow_kubeflow_trainer.trainjob.starting import DEFAULT_PATIENCE


@dataclass(frozen=True, kw_only=True)
class WaitSpec:
    """Which TrainJob to wait for, and how; only names and numbers, so that it can travel."""

    name: str
    uid: str | None = None
    """Wait for this very object; None takes whichever has the name."""
    trainer_job: str = "node"
    """Name of the runtime's replicated job that trains; its rank 0 has the log."""
    get_logs: bool = True
    log_nodes: LogNodes = ()
    """Nodes whose logs are told beside that of rank 0."""
    admission_timeout: float | None = None
    """Seconds that the TrainJob may stay suspended (in a Kueue queue). None: as long as it takes."""
    startup_timeout: float | None = None
    """Seconds from creation (or admission) until every pod's container has begun to run. None: as long as it takes."""
    run_timeout: float | None = None
    """Seconds that the training itself may take. None: as long as it takes."""
    max_restarts: int | None = None
    """How often a container that failed may be started again. None: see :func:`why_not_again`."""
    startup_patience: Mapping[str, float | None] = field(default_factory=lambda: dict(DEFAULT_PATIENCE))
    """Seconds that one reason for not starting is borne, by its name in Kubernetes; of others startup_timeout is."""
    submitted: Mapping[str, Any] = field(default_factory=dict)
    """What a queue might take away of the TrainJob; see :func:`submitted_parts`."""
    deadline: float | None = None
    """Moment, in seconds since the epoch, at which the waiting ends whatever the TrainJob does."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the waiting ended."""

    diagnosis: Diagnosis | None
    """None where the TrainJob succeeded."""
    alive: bool = False
    """Whether the TrainJob may still be going on: a clock of ours ran out, or the cluster cannot be asked."""
    log_tail: tuple[str, ...] = ()
    """The last lines of the log that explains the end: rank 0's, or that of the pod that failed."""
    returned: str | None = None
    """What rank 0 left as its termination message when it succeeded; None where its pod was not seen to."""


class Reporter(Protocol):
    """Who is told what happens while the waiting goes on."""

    def phase(self, report: PhaseReport) -> None:
        """The TrainJob has entered another phase."""

    def line(self, line: LogLine) -> None:
        """The training wrote a line."""

    async def drain(self) -> None:
        """Wait until more lines can be taken: a training may write faster than they are told."""

    def note(self, text: str, at: datetime | None = None) -> None:
        """Something worth a line in the log; with the moment that it has there, where it is not now."""

    def warning(self, text: str) -> None:
        """Something that may need a person."""
