"""One look at a Job and its pods, as the Job controller takes it: what has happened, and what is to be done. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_kubeflow_trainer.local.controller import podstate
from airflow_kubeflow_trainer.local.controller.jobs import Job
from airflow_kubeflow_trainer.local.controller.podstate import Pod
from airflow_kubeflow_trainer.local.controller.record import JobRecord, Outcome

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 10.0, 600.0
"""How long a pod that failed is waited for before the next one is made; it doubles with each failure."""


@dataclass(frozen=True)
class JobEvent:
    """A Kubernetes event on a Job."""

    type: str
    reason: str
    message: str


@dataclass
class JobPlan:
    """What is to be done to a Job's pods, and how the Job stands once it is done."""

    create: list[tuple[int, int]] = field(default_factory=list)
    """Completion index and attempt of each pod to make."""
    delete: list[Pod] = field(default_factory=list)
    release: list[Pod] = field(default_factory=list)
    """Pods that have been counted and may go."""
    look_again_seconds: float | None = None
    active: int = 0
    ready: int = 0
    events: list[JobEvent] = field(default_factory=list)


def sync_job(job: Job, record: JobRecord, pods: list[Pod], *, suspended: bool, now: float) -> JobPlan:
    """Count the Job's pods and decide what comes next.

    :param record: what was known of the Job; brought up to date in place.
    :param pods: the Job's pods.
    :param suspended: whether the Job may have no pods now.
    """
    plan = JobPlan()
    if record.over:
        plan.release = [pod for pod in pods if podstate.tracked(pod)]
        return plan
    if not suspended and (record.started is None or record.suspended):
        record.started = now
    # A Job that is suspended loses pods on purpose, and counts none of them.
    counted = _count(record, pods, now)
    plan.release += [pod for pod in pods if podstate.tracked(pod) and podstate.uid(pod) in counted]
    active = [pod for pod in pods if podstate.active(pod)]
    plan.ready = sum(podstate.ready(pod) for pod in active)
    plan.active = len(active)
    _judge(job, record, pods, plan, now, suspended=suspended)
    if record.outcome is Outcome.FAILING:
        _end(record, plan, pods, active, now)
    elif suspended:
        _remove(plan, active)
    else:
        _keep_running(job, record, plan, active, now)
    _complete(job, record, plan, pods, now)
    _note_suspension(record, plan, suspended=suspended)
    return plan


def _count(record: JobRecord, pods: list[Pod], now: float) -> set[str]:
    """Add the pods that have ended since the last look to the counts; return all that are part of them."""
    there = {podstate.uid(pod) for pod in pods}
    counted = set(record.counted) & there
    for pod in sorted(pods, key=podstate.index):
        # Without the finalizer a pod was let go on purpose, or counted before.
        if podstate.uid(pod) in counted or not podstate.tracked(pod):
            continue
        if podstate.succeeded(pod):
            if podstate.index(pod) not in record.succeeded_indexes:
                record.succeeded_indexes = sorted([*record.succeeded_indexes, podstate.index(pod)])
            record.failures_in_a_row, record.last_failure = 0, None
        elif podstate.failed(pod):
            record.failed_pods += 1
            record.failures_in_a_row += 1
            record.last_failure = podstate.finish_time(pod) or now
        else:
            continue
        counted.add(podstate.uid(pod))
    record.counted = sorted(counted)
    return counted


def _judge(job: Job, record: JobRecord, pods: list[Pod], plan: JobPlan, now: float, *, suspended: bool) -> None:
    """Find out whether the Job has failed."""
    if record.outcome is not Outcome.ACTIVE:
        return
    deadline: float | None = job.spec.get("activeDeadlineSeconds")
    if record.failed_pods > job.backoff_limit or _restarted_too_often(job, pods):
        record.reason, record.message = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        record.outcome = Outcome.FAILING
    elif deadline is not None and not suspended and record.started is not None:
        left = record.started + deadline - now
        if left <= 0:
            record.reason, record.message = "DeadlineExceeded", "Job was active longer than specified deadline"
            record.outcome = Outcome.FAILING
        else:
            plan.look_again_seconds = left


def _restarted_too_often(job: Job, pods: list[Pod]) -> bool:
    if job.restart_policy != "OnFailure":
        return False
    return sum(podstate.restarts(pod) for pod in pods) >= max(job.backoff_limit, 1)


def _end(record: JobRecord, plan: JobPlan, pods: list[Pod], active: list[Pod], now: float) -> None:
    """Take away what still runs; the Job has failed once nothing does."""
    _remove(plan, active)
    record.failed_pods += len([pod for pod in active if podstate.uid(pod) not in record.counted])
    record.counted = sorted({*record.counted, *(podstate.uid(pod) for pod in active)})
    if all(podstate.ended(pod) for pod in pods):
        record.outcome, record.finished = Outcome.FAILED, now
        plan.release = [pod for pod in pods if podstate.tracked(pod)]
        plan.events.append(JobEvent("Warning", record.reason, record.message))


def _remove(plan: JobPlan, active: list[Pod]) -> None:
    plan.delete += active
    plan.release += [pod for pod in active if podstate.tracked(pod)]
    plan.events += [JobEvent("Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}") for pod in active]
    plan.active = plan.ready = 0


def _keep_running(job: Job, record: JobRecord, plan: JobPlan, active: list[Pod], now: float) -> None:
    """Make the pods that are missing, up to the Job's parallelism."""
    wanted = max(min(job.completions - len(record.succeeded_indexes), job.parallelism), 0)
    taken = {podstate.index(pod) for pod in active}
    free = [i for i in range(job.completions) if i not in taken and i not in record.succeeded_indexes]
    missing = free[: max(wanted - len(active), 0)]
    wait = _backoff_left(record, now)
    if missing and wait > 0:
        plan.look_again_seconds = min(wait, plan.look_again_seconds or wait)
        return
    for index in missing:
        plan.create.append((index, record.pods_made))
        record.pods_made += 1
    plan.active += len(missing)


def _backoff_left(record: JobRecord, now: float) -> float:
    if record.failures_in_a_row == 0 or record.last_failure is None:
        return 0
    doublings = min(record.failures_in_a_row - 1, 10)
    backoff: float = min(FIRST_BACKOFF_SECONDS * 2**doublings, LONGEST_BACKOFF_SECONDS)
    return record.last_failure + backoff - now


def _complete(job: Job, record: JobRecord, plan: JobPlan, pods: list[Pod], now: float) -> None:
    done = len(record.succeeded_indexes) >= job.completions and plan.active == 0
    if record.outcome is Outcome.ACTIVE and done and all(podstate.ended(pod) for pod in pods):
        record.outcome, record.finished = Outcome.COMPLETE, now
        plan.events.append(JobEvent("Normal", "Completed", "Job completed"))


def _note_suspension(record: JobRecord, plan: JobPlan, *, suspended: bool) -> None:
    if record.over or record.suspended == suspended:
        return
    record.suspended = suspended
    if suspended:
        plan.events.append(JobEvent("Normal", "Suspended", "Job suspended"))
    else:
        plan.events.append(JobEvent("Normal", "Resumed", "Job resumed"))


def status_counts(job: Job, record: JobRecord, plan: JobPlan) -> dict[str, Any]:
    """Return what a Job adds to its replicated job's entry in ``jobsStatus``."""
    counts = {"ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 0}
    if record.outcome is Outcome.COMPLETE:
        counts["succeeded"] = 1
    elif record.outcome is Outcome.FAILED:
        counts["failed"] = 1
    else:
        done = len(record.succeeded_indexes) + plan.ready
        counts["ready"] = int(done >= min(job.parallelism, job.completions))
        counts["active"] = int(plan.active > 0)
        counts["suspended"] = int(record.suspended)
    return counts
