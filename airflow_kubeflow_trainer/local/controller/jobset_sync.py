"""One look at a JobSet, as the JobSet controller takes it: which Jobs run, and whether it has ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_kubeflow_trainer.local.controller import podstate
from airflow_kubeflow_trainer.local.controller.job_sync import JobEvent, JobPlan, status_counts, sync_job
from airflow_kubeflow_trainer.local.controller.job_validation import check_job
from airflow_kubeflow_trainer.local.controller.jobs import Job
from airflow_kubeflow_trainer.local.controller.podstate import Pod
from airflow_kubeflow_trainer.local.controller.record import JobRecord, Outcome, Record
from airflow_kubeflow_trainer.local.controller.validation import CreationError
from airflow_kubeflow_trainer.local.trainer.constants import JOB_UID_LABEL
from airflow_kubeflow_trainer.local.trainer.jobset import JobSet


@dataclass
class JobSetPlan:
    """What is to be done for a JobSet."""

    jobs: list[tuple[Job, JobPlan]] = field(default_factory=list)
    statuses: list[dict[str, Any]] | None = None
    """The TrainJob's ``jobsStatus``; None where a Job could not be created, which leaves the last one standing."""
    events: list[JobEvent] = field(default_factory=list)

    @property
    def look_again_seconds(self) -> float | None:
        """In how many seconds time alone will change something; None where it will not."""
        return min((plan.look_again_seconds for _, plan in self.jobs if plan.look_again_seconds), default=None)


def sync_jobset(
    jobset: JobSet, jobs: dict[str, list[Job]], record: Record, pods: list[Pod], *, now: float
) -> JobSetPlan:
    """Bring the Jobs on, create those whose turn it is, and find out whether the JobSet has ended.

    :param record: what was known; brought up to date in place.
    :param pods: the pods of all Jobs.
    """
    plan = JobSetPlan()
    by_job = _by_job(pods)
    suspended = record.suspended
    for job in _known(jobs, record):
        # What has not ended with the JobSet is not brought on any more.
        if record.ended is None or record.jobs[job.name].over:
            plan.jobs.append((job, _sync(job, record, by_job, now, suspended=suspended)))
        else:
            plan.jobs.append((job, JobPlan()))
    if record.ended is None:
        _judge(jobset, jobs, record, plan, now)
    if record.ended is not None:
        _clear(record, plan, by_job)
        plan.statuses = _statuses(jobs, record, plan)
        return plan
    try:
        _start_jobs(jobset, jobs, record, plan, by_job, now)
    except CreationError as error:
        plan.events.append(JobEvent("Warning", "JobCreationFailed", str(error)))
        return plan
    _tell_suspension(record, plan)
    plan.statuses = _statuses(jobs, record, plan)
    return plan


def _tell_suspension(record: Record, plan: JobSetPlan) -> None:
    if record.told_suspended != record.suspended:
        record.told_suspended = record.suspended
        reason, word = ("SuspendedJobs", "suspended") if record.suspended else ("ResumeJobs", "resumed")
        plan.events.append(JobEvent("Normal", reason, f"jobset is {word}"))


def _by_job(pods: list[Pod]) -> dict[str, list[Pod]]:
    by_job: dict[str, list[Pod]] = {}
    for pod in pods:
        by_job.setdefault(pod["metadata"]["labels"][JOB_UID_LABEL], []).append(pod)
    return by_job


def _known(jobs: dict[str, list[Job]], record: Record) -> list[Job]:
    return [job for replicas in jobs.values() for job in replicas if job.name in record.jobs]


def _sync(job: Job, record: Record, by_job: dict[str, list[Pod]], now: float, *, suspended: bool) -> JobPlan:
    return sync_job(job, record.jobs[job.name], by_job.get(job.uid, []), suspended=suspended, now=now)


def _judge(jobset: JobSet, jobs: dict[str, list[Job]], record: Record, plan: JobSetPlan, now: float) -> None:
    """Note the JobSet's terminal condition where it has come to one."""
    failed = [(name, job) for name, job in record.jobs.items() if job.outcome is Outcome.FAILED]
    if failed:
        first = min(failed, key=lambda item: item[1].finished or now)[0]
        words = f"jobset failed due to one or more job failures (first failed job: {first})"
        record.ended = {"type": "Failed", "reason": "FailedJobs", "message": words, "time": now}
        plan.events.append(JobEvent("Warning", "FailedJobs", words))
    elif _succeeded(jobset, jobs, record):
        words = "jobset completed successfully"
        record.ended = {"type": "Complete", "reason": "AllJobsCompleted", "message": words, "time": now}
        plan.events.append(JobEvent("Normal", "AllJobsCompleted", words))


def _succeeded(jobset: JobSet, jobs: dict[str, list[Job]], record: Record) -> bool:
    """Tell whether the Jobs that have completed are those that the JobSet's success policy wants."""
    complete = {name for name, job in record.jobs.items() if job.outcome is Outcome.COMPLETE}
    policy = jobset.spec.get("successPolicy") or {}
    targets = policy.get("targetReplicatedJobs") or list(jobs)
    wanted = {job.name for name in targets for job in jobs[name]}
    if policy.get("operator") == "Any":
        return bool(complete & wanted)
    return bool(complete) and wanted <= complete


def _clear(record: Record, plan: JobSetPlan, by_job: dict[str, list[Pod]]) -> None:
    """Delete the Jobs of an ended JobSet that have not ended themselves, with all their pods."""
    for i, (job, _) in enumerate(plan.jobs):
        if not record.jobs[job.name].over:
            pods = by_job.get(job.uid, [])
            release = [pod for pod in pods if podstate.tracked(pod)]
            plan.jobs[i] = (job, JobPlan(delete=[pod for pod in pods if not podstate.going(pod)], release=release))


def _start_jobs(
    jobset: JobSet,
    jobs: dict[str, list[Job]],
    record: Record,
    plan: JobSetPlan,
    by_job: dict[str, list[Pod]],
    now: float,
) -> None:
    """Create the Jobs that wait for nothing any more.

    :raises CreationError: a Job is not admitted; the ones before it stay.
    """
    statuses = {status["name"]: status for status in _statuses(jobs, record, plan)}
    in_order = (jobset.spec.get("startupPolicy") or {}).get("startupPolicyOrder") == "InOrder"
    before: list[str] = []
    for replicated in jobset.spec.get("replicatedJobs", []):
        if in_order and not all(_started(statuses[name], len(jobs[name])) for name in before):
            return
        before.append(replicated["name"])
        if not _may_start(replicated, jobs, statuses):
            continue
        for job in jobs[replicated["name"]]:
            if job.name in record.jobs:
                continue
            check_job(job)
            record.jobs[job.name] = JobRecord()
            plan.jobs.append((job, _sync(job, record, by_job, now, suspended=record.suspended)))


def _started(counts: dict[str, Any], replicas: int) -> bool:
    """Tell whether all Jobs of a replicated job run, or have run."""
    return bool(counts["ready"] + counts["succeeded"] + counts["failed"] == replicas)


def _may_start(replicated: dict[str, Any], jobs: dict[str, list[Job]], statuses: dict[str, dict[str, Any]]) -> bool:
    for dependency in replicated.get("dependsOn", []):
        counts, replicas = statuses[dependency["name"]], len(jobs[dependency["name"]])
        ready = dependency["status"] == "Ready"
        if not (_started(counts, replicas) if ready else counts["succeeded"] == replicas):
            return False
    return True


def _statuses(jobs: dict[str, list[Job]], record: Record, plan: JobSetPlan) -> list[dict[str, Any]]:
    """Return ``jobsStatus``, in JobSet's order: by name, backwards."""
    plans = {job.name: job_plan for job, job_plan in plan.jobs}
    statuses = []
    for name in sorted(jobs, reverse=True):
        total = {"ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 0}
        for job in jobs[name]:
            deleted = record.ended is not None and not (job.name in record.jobs and record.jobs[job.name].over)
            if job.name in record.jobs and not deleted:
                counts = status_counts(job, record.jobs[job.name], plans[job.name])
                total = {key: total[key] + counts[key] for key in total}
        statuses.append({"name": name, **total})
    return statuses
