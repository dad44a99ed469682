"""Why a TrainJob failed, in one sentence, and whose fault it was.

Trainer's own words name a Job and nothing else ("first failed job: X-node-0"); exit codes, reasons and messages are on
the pods, and Kubernetes deletes those soon after. So the pods are remembered while they are there (:class:`Evidence`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow_kubeflow_trainer import exceptions
from airflow_kubeflow_trainer.trainjob.phase import PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod, Termination

MAX_PODS = 64
"""How many pods are remembered one by one; failed ones push out others."""


class Cause(StrEnum):
    """Whose fault a failure was; each has an exception of its own."""

    USER_CODE = "UserCode"
    OUT_OF_MEMORY = "OutOfMemory"
    INITIALIZER = "Initializer"
    INFRASTRUCTURE = "Infrastructure"
    NOT_STARTED = "NotStarted"
    TIMEOUT = "Timeout"
    DELETED = "Deleted"
    UNREACHABLE = "Unreachable"
    UNKNOWN = "Unknown"

    @property
    def exception(self) -> type[exceptions.KubeflowTrainerError]:
        """The class of exception that a task fails with."""
        return _EXCEPTIONS[self]


_EXCEPTIONS: Mapping[Cause, type[exceptions.KubeflowTrainerError]] = {
    Cause.USER_CODE: exceptions.UserCodeError,
    Cause.OUT_OF_MEMORY: exceptions.OutOfMemoryError,
    Cause.INITIALIZER: exceptions.InitializerError,
    Cause.INFRASTRUCTURE: exceptions.InfrastructureError,
    Cause.NOT_STARTED: exceptions.TrainJobNotStartedError,
    Cause.TIMEOUT: exceptions.TrainJobTimeoutError,
    Cause.DELETED: exceptions.TrainJobDeletedError,
    Cause.UNREACHABLE: exceptions.ClusterUnreachableError,
    Cause.UNKNOWN: exceptions.TrainJobFailedError,
}


@dataclass(frozen=True)
class Diagnosis:
    """A cause, and the sentence that explains it."""

    cause: Cause
    message: str
    pod: str | None = None
    """Name of the pod that is to blame, where one is."""


@dataclass
class Evidence:
    """The pods of one TrainJob as they were last seen, kept after they are gone."""

    trainer_job: str
    pods: dict[str, Pod] = field(default_factory=dict)
    trainer_succeeded: bool = False
    """Whether any pod of the trainer's job was ever seen to succeed."""
    returned: str | None = None
    """Termination message of the trainer's rank 0, once it has succeeded: what a training function returned."""
    trained_since: float | None = None
    """When the first container of the trainer's job began to run, in seconds since the epoch by the server's clock."""

    def remember(self, pod: Pod) -> None:
        """Take note of a pod; of a job with very many, those that tell of a failure are kept."""
        if pod.job == self.trainer_job:
            self.trainer_succeeded |= pod.phase == "Succeeded"
            if pod.main is not None and pod.main.started_at is not None:
                self.trained_since = min(self.trained_since or pod.main.started_at, pod.main.started_at)
            if pod.index == 0 and pod.main is not None and pod.main.terminated is not None:
                succeeded = pod.main.terminated.exit_code == 0
                self.returned = pod.main.terminated.message if succeeded else self.returned
        known = self.pods.get(pod.uid)
        if known is not None and (pod.stopping or _hides_failure(known, pod)):
            return
        if known is None and len(self.pods) >= MAX_PODS and not self._make_room():
            return
        self.pods[pod.uid] = pod

    def forget(self, pod: Pod) -> None:
        """Take note that a pod is gone; only one that failed, or was taken away, still has something to tell."""
        known = self.pods.get(pod.uid)
        if known is not None and _failure(known) is None and not known.disrupted:
            del self.pods[pod.uid]

    def _make_room(self) -> bool:
        for uid, pod in self.pods.items():
            if _failure(pod) is None and not pod.disrupted and pod.index != 0:
                del self.pods[uid]
                return True
        return False

    def start_over(self) -> None:
        """Take note that the TrainJob is suspended: its next pods begin anew."""
        self.trained_since = None

    def never_started(self) -> list[Pod]:
        """List the pods of which no container has run yet."""
        return [
            pod
            for pod in self.pods.values()
            if pod.phase == "Pending" and (pod.main is None or pod.main.started_at is None)
        ]

    def troubles(self) -> list[str]:
        """Say for each pod that does not run why it does not."""
        return [f"{pod.name}: {pod.trouble}" for pod in self.pods.values() if pod.phase == "Pending" and pod.trouble]


def diagnose_failure(report: PhaseReport, evidence: Evidence) -> Diagnosis:
    """Explain a TrainJob that ended as failed."""
    words = report.message or report.reason or "the TrainJob failed"
    if report.reason == "DeadlineExceeded":
        return Diagnosis(Cause.TIMEOUT, f"It ran longer than its activeDeadlineSeconds allow: {words}")
    culprit = _culprit(evidence.pods.values())
    if culprit is None:
        return Diagnosis(Cause.UNKNOWN, words)
    if culprit.disrupted:
        what = f"The cluster took pod {culprit.name} away: {culprit.disrupted}"
        return Diagnosis(Cause.INFRASTRUCTURE, what, culprit.name)
    return _explain_container(culprit, evidence.trainer_job)


def diagnose_success(trainjob: Mapping[str, Any], evidence: Evidence) -> Diagnosis | None:
    """Say what is wrong with a TrainJob that calls itself complete; None where nothing is.

    Trainer 2.3 completes a TrainJob with numNodes 0, or whose JobSet was emptied, without running anything. Where all
    pods are gone by now, its own count of Jobs that succeeded is believed.
    """
    if evidence.trainer_succeeded:
        return None
    nodes = ((trainjob.get("spec") or {}).get("trainer") or {}).get("numNodes", 1)
    counts = {job["name"]: job.get("succeeded") for job in (trainjob.get("status") or {}).get("jobsStatus") or []}
    seen = any(pod.job == evidence.trainer_job for pod in evidence.pods.values())
    if nodes and counts.get(evidence.trainer_job) and not seen:
        return None
    return Diagnosis(
        Cause.UNKNOWN,
        f"The TrainJob is Complete, but no pod of its replicated job {evidence.trainer_job!r} succeeded: "
        "nothing was trained",
    )


def diagnose_not_started(waited: str, report: PhaseReport, evidence: Evidence, events: Iterable[str]) -> Diagnosis:
    """Explain a TrainJob that did not begin to train in time.

    :param waited: which clock ran out and how long it was, for example ``startup_timeout (3600 s)``.
    :param events: the warnings that Kubernetes recorded, newest last.
    """
    reasons = list(dict.fromkeys([*evidence.troubles(), *events]))
    found = "; ".join(reasons[-5:]) if reasons else "the cluster gave no reason"
    return Diagnosis(Cause.NOT_STARTED, f"It was still {report} when {waited} ran out: {found}")


def _culprit(pods: Iterable[Pod]) -> Pod | None:
    """Find the pod whose end brought the TrainJob's.

    A pod that was replaced is no cause any more. The first to end made the others end: by a lost connection, or because
    Kubernetes stopped them. An out-of-memory kill is a cause, however late it shows.
    """
    newest: dict[tuple[str, int], Pod] = {}
    for pod in sorted(pods, key=lambda pod: pod.created_at):
        if _failure(pod) is not None or pod.disrupted:
            newest[pod.job, pod.index] = pod
    return min(newest.values(), key=_blame, default=None)


def _blame(pod: Pod) -> tuple[bool, bool, float, int]:
    failure = _failure(pod)
    out_of_memory = failure is not None and failure.out_of_memory
    return not out_of_memory, pod.stopping, failure.finished_at if failure else pod.created_at, pod.index


def _hides_failure(known: Pod, pod: Pod) -> bool:
    """Whether a pod's new state no longer shows a failure that it has not got over."""
    return _failure(known) is not None and _failure(pod) is None and pod.phase != "Succeeded"


def _failure(pod: Pod) -> Termination | None:
    return pod.main.failure if pod.main is not None else None


def _explain_container(pod: Pod, trainer_job: str) -> Diagnosis:
    assert pod.main is not None
    assert pod.main.failure is not None
    failure, restarts = pod.main.failure, pod.main.restart_count
    where = f"container {pod.main.name} of pod {pod.name}" + (f" on node {pod.node}" if pod.node else "")
    again = f", after {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""
    # A traceback begins on a line of its own.
    parting = ":\n" if "\n" in failure.message else ": "
    said = f"{parting}{failure.message}" if failure.message else ""
    if failure.out_of_memory:
        what = (
            f"The {where} used more memory than its limit and was killed ({failure}{again}). "
            "Raise memory in resources_per_node, or lower batch_size or max_seq_len"
        )
        return Diagnosis(Cause.OUT_OF_MEMORY, what, pod.name)
    if pod.job != trainer_job:
        what = f"The {pod.job} failed: {where} ended with {failure}{again}{said}"
        return Diagnosis(Cause.INITIALIZER, what, pod.name)
    return Diagnosis(Cause.USER_CODE, f"The training failed: {where} ended with {failure}{again}{said}", pod.name)
