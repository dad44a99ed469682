"""The pods of a Job and the claims of a JobSet, ready to be created."""

from __future__ import annotations

import copy
from typing import Any

from airflow_kubeflow_trainer.local import pod_defaults
from airflow_kubeflow_trainer.local.controller import identity
from airflow_kubeflow_trainer.local.controller.jobs import (
    Job,
    build_jobs,
    claim_name,
    claim_templates,
)
from airflow_kubeflow_trainer.local.trainer.constants import (
    COMPLETION_INDEX,
    JOB_NAME_LABEL,
    JOB_UID_LABEL,
    JOBSET_NAME_LABEL,
    PRIORITY_LABEL,
)
from airflow_kubeflow_trainer.local.trainer.containers import field_variable
from airflow_kubeflow_trainer.local.trainer.jobset import JobSet, build_jobset

TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking"
"""Keeps a pod that has ended until the controller has counted it."""


def build_pods(trainjob: dict[str, Any], runtime: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all first pods of a TrainJob, whatever waits for whatever. Pure; what dry runs and tests look at."""
    jobs = build_jobs(trainjob, build_jobset(trainjob, runtime))
    return [
        build_pod(trainjob, job, index, attempt=0)
        for replicas in jobs.values()
        for job in replicas
        for index in range(min(job.parallelism, job.completions))
    ]


def build_pod(trainjob: dict[str, Any], job: Job, index: int, *, attempt: int) -> dict[str, Any]:
    """Make one pod of a Job.

    :param attempt: how many pods of the Job have ended before this one.
    """
    template = copy.deepcopy(job.spec["template"])
    metadata, spec = template["metadata"], template["spec"]
    job_marks = {
        JOB_UID_LABEL: job.uid,
        JOB_NAME_LABEL: job.name,
        "controller-uid": job.uid,
        "job-name": job.name,
    }
    labels = {
        **metadata["labels"],
        **job_marks,
        COMPLETION_INDEX: str(index),
        PRIORITY_LABEL: "0",
    }
    spec["hostname"] = f"{job.name}-{index}"
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        _add_completion_index(container)
    pod_defaults.fill_in(spec)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": identity.pod_name(job.name, job.uid, index, attempt),
            "generateName": identity.pod_prefix(job.name, index),
            "namespace": trainjob["metadata"]["namespace"],
            "labels": labels,
            "annotations": {**metadata["annotations"], COMPLETION_INDEX: str(index)},
            "finalizers": [TRACKING_FINALIZER],
            "ownerReferences": [owner_reference(trainjob)],
        },
        "spec": spec,
        "status": pod_defaults.first_status(spec),
    }


def build_claims(trainjob: dict[str, Any], jobset: JobSet) -> list[dict[str, Any]]:
    """Return the claims that the JobSet controller makes; those to be kept have no owner."""
    return [_build_claim(trainjob, template, deleted) for template, deleted in claim_templates(jobset)]


def _build_claim(trainjob: dict[str, Any], template: dict[str, Any], deleted_with_jobset: bool) -> dict[str, Any]:
    of_template = template["metadata"]
    metadata: dict[str, Any] = {
        "name": claim_name(trainjob, template),
        "namespace": trainjob["metadata"]["namespace"],
        "labels": {
            **(of_template.get("labels") or {}),
            JOBSET_NAME_LABEL: trainjob["metadata"]["name"],
        },
    }
    if of_template.get("annotations"):
        metadata["annotations"] = dict(of_template["annotations"])
    if deleted_with_jobset:
        metadata["ownerReferences"] = [owner_reference(trainjob)]
    spec = {"volumeMode": "Filesystem", **copy.deepcopy(template["spec"])}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": "Pending"},
    }


def owner_reference(trainjob: dict[str, Any]) -> dict[str, Any]:
    """Return the reference that makes an object go when the TrainJob goes."""
    return {
        "apiVersion": trainjob["apiVersion"],
        "kind": "TrainJob",
        "name": trainjob["metadata"]["name"],
        "uid": trainjob["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _add_completion_index(container: dict[str, Any]) -> None:
    env = container.setdefault("env", [])
    if not any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in env):
        env.append(field_variable("JOB_COMPLETION_INDEX", f"metadata.labels['{COMPLETION_INDEX}']"))
