"""The Jobs of a JobSet: names, labels and pod templates as the JobSet controller makes them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.local.controller import identity
from airflow_kubeflow_trainer.local.trainer.constants import JOBSET_PREFIX
from airflow_kubeflow_trainer.local.trainer.jobset import JobSet


@dataclass(frozen=True, kw_only=True)
class Job:
    """One Job; the local cluster derives it anew whenever it needs it, and never stores it."""

    name: str
    uid: str
    replicated_job: str
    spec: dict[str, Any]

    @property
    def completions(self) -> int:
        """How many pods must succeed."""
        return int(self.spec["completions"])

    @property
    def parallelism(self) -> int:
        """How many pods run at a time."""
        return int(self.spec["parallelism"])

    @property
    def backoff_limit(self) -> int:
        """How many failed pods, or restarts in place, the Job bears."""
        return int(self.spec.get("backoffLimit", 6))

    @property
    def restart_policy(self) -> str:
        """Whether containers that fail are started again in place."""
        return str(self.spec["template"]["spec"]["restartPolicy"])


def build_jobs(trainjob: dict[str, Any], jobset: JobSet) -> dict[str, list[Job]]:
    """Return the Jobs of each replicated job, in the JobSet's order."""
    return {
        replicated["name"]: [_build_job(trainjob, jobset, replicated, i) for i in range(replicated["replicas"])]
        for replicated in jobset.spec.get("replicatedJobs", [])
    }


def _build_job(trainjob: dict[str, Any], jobset: JobSet, replicated: dict[str, Any], index: int) -> Job:
    name = identity.job_name(trainjob["metadata"]["name"], replicated["name"], index)
    spec = copy.deepcopy(replicated["template"]["spec"])
    marks = _marks(trainjob, jobset, replicated, index)
    metadata = spec["template"].setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **marks}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks}
    pod = spec["template"]["spec"]
    if jobset.spec["network"]["enableDNSHostnames"]:
        pod["subdomain"] = subdomain(trainjob, jobset)
    _add_volumes(pod, trainjob, jobset)
    return Job(
        name=name,
        uid=identity.job_uid(trainjob, name),
        replicated_job=replicated["name"],
        spec=spec,
    )


def subdomain(trainjob: dict[str, Any], jobset: JobSet) -> str:
    """Return the headless service's name."""
    return str(jobset.spec["network"].get("subdomain") or trainjob["metadata"]["name"])


def claim_name(trainjob: dict[str, Any], template: dict[str, Any]) -> str:
    """Return the name of a claim that the JobSet makes of one of its templates."""
    return f"{template['metadata']['name']}-{trainjob['metadata']['name']}"


def claim_templates(jobset: JobSet) -> list[tuple[dict[str, Any], bool]]:
    """Return each claim's template and whether the claim is deleted with the JobSet."""
    return [
        (
            template,
            ((policy.get("retentionPolicy") or {}).get("whenDeleted") or "Delete") == "Delete",
        )
        for policy in jobset.spec.get("volumeClaimPolicies", [])
        for template in policy.get("templates", [])
    ]


def _marks(trainjob: dict[str, Any], jobset: JobSet, replicated: dict[str, Any], index: int) -> dict[str, str]:
    """Return what JobSet writes on Jobs and pods, as labels and as annotations."""
    jobs: list[dict[str, Any]] = jobset.spec["replicatedJobs"]
    group = [job for job in jobs if job["groupName"] == replicated["groupName"]]
    name = identity.job_name(trainjob["metadata"]["name"], replicated["name"], index)
    marks = {
        "jobset-name": trainjob["metadata"]["name"],
        "jobset-uid": identity.jobset_uid(trainjob),
        "replicatedjob-name": replicated["name"],
        "restart-attempt": "0",
        "replicatedjob-replicas": str(replicated["replicas"]),
        "global-replicas": _replicas(jobs),
        "job-index": str(index),
        "job-key": identity.job_key(trainjob["metadata"]["namespace"], name),
        "job-global-index": _position(jobs, replicated, index),
        "group-name": replicated["groupName"],
        "group-replicas": _replicas(group),
        "job-group-index": _position(group, replicated, index),
    }
    coordinator = jobset.spec.get("coordinator")
    if coordinator is not None:
        host = identity.job_name(
            trainjob["metadata"]["name"],
            coordinator["replicatedJob"],
            coordinator.get("jobIndex", 0),
        )
        marks["coordinator"] = f"{host}-{coordinator.get('podIndex', 0)}.{subdomain(trainjob, jobset)}"
    return {JOBSET_PREFIX + key: value for key, value in marks.items()}


def _replicas(jobs: list[dict[str, Any]]) -> str:
    return str(sum(job["replicas"] for job in jobs))


def _position(jobs: list[dict[str, Any]], replicated: dict[str, Any], index: int) -> str:
    names = [job["name"] for job in jobs]
    return str(sum(job["replicas"] for job in jobs[: names.index(replicated["name"])]) + index)


def _add_volumes(pod: dict[str, Any], trainjob: dict[str, Any], jobset: JobSet) -> None:
    containers = pod.get("containers", []) + pod.get("initContainers", [])
    mounted = {mount["name"] for item in containers for mount in item.get("volumeMounts", [])}
    for template, _ in claim_templates(jobset):
        name = template["metadata"]["name"]
        if name in mounted:
            claim = {"claimName": claim_name(trainjob, template)}
            pod.setdefault("volumes", []).append({"name": name, "persistentVolumeClaim": claim})
