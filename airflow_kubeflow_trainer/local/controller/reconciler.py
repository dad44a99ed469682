"""Brings one TrainJob on: reads it and its pods, decides, writes down, acts, reports. In that order, every time.

A look is safe to repeat and to break off anywhere: what has been counted is written down before anything is done about
it, and what is to be done follows from what is written down and from the pods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
from airflow_kubeflow_trainer.exceptions import NotFoundError
from airflow_kubeflow_trainer.local.controller import children, conditions, events, identity, podstate, snapshot
from airflow_kubeflow_trainer.local.controller.events import Recorder
from airflow_kubeflow_trainer.local.controller.garbage import GarbageCollector
from airflow_kubeflow_trainer.local.controller.job_sync import JobEvent
from airflow_kubeflow_trainer.local.controller.jobs import Job, build_jobs
from airflow_kubeflow_trainer.local.controller.jobset_sync import JobSetPlan, sync_jobset
from airflow_kubeflow_trainer.local.controller.pods import build_claims, build_pod
from airflow_kubeflow_trainer.local.controller.podstate import Pod
from airflow_kubeflow_trainer.local.controller.record import Record
from airflow_kubeflow_trainer.local.controller.validation import CreationError, check_jobset, check_reapply
from airflow_kubeflow_trainer.local.trainer.constants import TRAINJOB_CONTROLLER
from airflow_kubeflow_trainer.local.trainer.jobset import JobSet, UnsupportedRuntimeError, build_jobset

CLAIM_RETRY_SECONDS = 0.2
CREATION_RETRY_SECONDS = 30.0
"""A child that could not be created is tried again so often; what it lacks seldom changes."""

Key = tuple[str, str]
"""A TrainJob's namespace and name."""


@dataclass
class _Look:
    """One TrainJob as it was found, and what is known of it."""

    trainjob: dict[str, Any]
    jobset: JobSet
    jobs: dict[str, list[Job]]
    pods: list[Pod]
    record: Record
    now: float


class Reconciler:
    """Reconciles TrainJobs, one at a time."""

    def __init__(self, client: Client, *, now: Callable[[], float]) -> None:
        """:param now: gives the time in seconds since the epoch."""
        self._client = client
        self._now = now
        self._recorder = Recorder(client, now)
        self._garbage = GarbageCollector(client)

    async def reconcile(self, key: Key) -> float | None:
        """Bring one TrainJob on; return in how many seconds to look again, None for at its next change."""
        namespace, name = key
        try:
            trainjob = await self._client.get(TRAINJOBS.path(namespace=namespace, name=name))
        except NotFoundError:
            await self._garbage.collect(namespace)
            return None
        managed_by = trainjob["spec"].get("managedBy", TRAINJOB_CONTROLLER)
        if trainjob["metadata"].get("deletionTimestamp") or managed_by != TRAINJOB_CONTROLLER:
            return None
        try:
            runtime, record = await snapshot.load(self._client, trainjob)
            jobset = build_jobset(trainjob, runtime)
        except CreationError as error:
            return await self._not_created(trainjob, error)
        except UnsupportedRuntimeError as error:
            await self._unsupported(trainjob, error)
            return None
        pods = await children.list_pods(self._client, trainjob)
        look = _Look(trainjob, jobset, build_jobs(trainjob, jobset), pods, record, self._now())
        return await self._act(look)

    async def _act(self, look: _Look) -> float | None:
        before = look.record.dump()
        try:
            again = await self._apply(look)
            if look.record.created and look.record.ended is None and not look.record.deleted:
                await children.ensure_claims(self._client, build_claims(look.trainjob, look.jobset))
        except children.ClaimInUseError:
            return CLAIM_RETRY_SECONDS
        if not look.record.created or look.record.deleted:
            plan = JobSetPlan()
        else:
            plan = sync_jobset(look.jobset, look.jobs, look.record, look.pods, now=look.now)
        status = conditions.next_status(look.trainjob, look.record, plan.statuses, now=look.now)
        until = conditions.deadline(look.trainjob, status)
        if until is not None and look.now > until:
            conditions.exceed_deadline(status, now=look.now)
            look.record.deleted, plan = True, JobSetPlan()
        if look.record.dump() != before:
            await snapshot.save(self._client, look.trainjob, look.record)
        await self._carry_out(look, plan)
        await self._report(look, plan, status)
        waits = (again, plan.look_again_seconds, None if until is None else max(until - look.now, 0) + 0.01)
        return None if look.record.deleted else min((wait for wait in waits if wait is not None), default=None)

    async def _apply(self, look: _Look) -> float | None:
        """Create the JobSet, suspend it or resume it, as far as the real one lets itself."""
        record, wanted = look.record, bool(look.trainjob["spec"].get("suspend"))
        if conditions.finished(look.trainjob.get("status") or {}) or record.deleted or record.ended:
            return None
        try:
            if not record.created:
                claims = build_claims(look.trainjob, look.jobset)
                existing = await children.existing_claims(self._client, claims)
                check_jobset(look.trainjob, look.jobset, existing_claims=existing)
                record.created, record.suspended = True, wanted
                # Before the claims are made: one that is kept does not tell whose it is.
                await snapshot.save(self._client, look.trainjob, record)
            elif wanted or record.suspended:
                check_reapply(look.trainjob, look.jobset)
                record.suspended = wanted
        except CreationError as error:
            return await self._not_created(look.trainjob, error)
        return None

    async def _carry_out(self, look: _Look, plan: JobSetPlan) -> None:
        if look.record.deleted:
            tracked = [pod for pod in look.pods if podstate.tracked(pod)]
            await children.release(self._client, tracked)
            await children.delete(self._client, [pod for pod in look.pods if not podstate.going(pod)])
            await children.delete_claims(self._client, build_claims(look.trainjob, look.jobset))
            return
        for job, job_plan in plan.jobs:
            await children.release(self._client, job_plan.release)
            await children.delete(self._client, job_plan.delete)
            for index, attempt in job_plan.create:
                pod = build_pod(look.trainjob, job, index, attempt=attempt)
                await children.create_pod(self._client, pod)
                message = f"Created pod: {pod['metadata']['name']}"
                job_plan.events.append(JobEvent("Normal", "SuccessfulCreate", message))

    async def _report(self, look: _Look, plan: JobSetPlan, status: dict[str, Any]) -> None:
        for job, job_plan in plan.jobs:
            involved = self._involved(look.trainjob, "batch/v1", "Job", job.name, job.uid)
            for event in job_plan.events:
                await self._recorder.emit(involved, event, events.JOB)
        name = look.trainjob["metadata"]["name"]
        involved = self._involved(
            look.trainjob, "jobset.x-k8s.io/v1alpha2", "JobSet", name, identity.jobset_uid(look.trainjob)
        )
        for event in plan.events:
            await self._recorder.emit(involved, event, events.JOBSET)
        await self._write_status(look.trainjob, status)

    async def _write_status(self, trainjob: dict[str, Any], status: dict[str, Any]) -> None:
        if status == (trainjob.get("status") or {}):
            return
        metadata = trainjob["metadata"]
        path = TRAINJOBS.path(namespace=metadata["namespace"], name=metadata["name"], subresource="status")
        try:
            await self._client.patch(path, {"metadata": {"uid": metadata["uid"]}, "status": status})
        except NotFoundError:
            return

    async def _not_created(self, trainjob: dict[str, Any], error: CreationError) -> float:
        """Say by an event, as Trainer does, that a child is not admitted."""
        words = str(error)
        message = f"TrainJob resources reconciliation failed: {words[:950]}" + (" ..." if len(words) > 950 else "")
        metadata = trainjob["metadata"]
        involved = self._involved(trainjob, trainjob["apiVersion"], "TrainJob", metadata["name"], metadata["uid"])
        event = JobEvent("Warning", "TrainJobResourcesCreationFailed", message)
        await self._recorder.emit(involved, event, events.TRAINER)
        return CREATION_RETRY_SECONDS

    async def _unsupported(self, trainjob: dict[str, Any], error: UnsupportedRuntimeError) -> None:
        status = conditions.next_status(trainjob, Record(), None, now=self._now())
        conditions.fail_unsupported(status, str(error), now=self._now())
        await self._write_status(trainjob, status)

    @staticmethod
    def _involved(trainjob: dict[str, Any], api_version: str, kind: str, name: str, uid: str) -> dict[str, str]:
        return events.reference(api_version, kind, namespace=trainjob["metadata"]["namespace"], name=name, uid=uid)
