"""The pods of a Job and the claims of a JobSet, ready to be created."""

from __future__ import annotations

import copy
from typing import Any

from airflow_kubeflow_trainer.local.controller import identity
from airflow_kubeflow_trainer.local.controller.jobs import (
    Job,
    build_jobs,
    claim_name,
    claim_templates,
)
from airflow_kubeflow_trainer.local.trainer import quantities
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

_TOLERATED_SECONDS = 300


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
    _default_spec(spec)
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
        "status": {"phase": "Pending", "qosClass": _qos_class(spec)},
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


def _default_spec(spec: dict[str, Any]) -> None:
    """Fill in what the API server does when a pod is created."""
    for container in spec.get("initContainers", []) + spec.get("containers", []):
        _default_container(container)
    for key, value in (
        ("dnsPolicy", "ClusterFirst"),
        ("enableServiceLinks", True),
        ("preemptionPolicy", "PreemptLowerPriority"),
        ("priority", 0),
        ("schedulerName", "default-scheduler"),
        ("securityContext", {}),
        ("terminationGracePeriodSeconds", 30),
    ):
        spec.setdefault(key, value)
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(toleration.get("key") in (key, None) for toleration in tolerations):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _TOLERATED_SECONDS,
                }
            )


def _default_container(container: dict[str, Any]) -> None:
    env = container.setdefault("env", [])
    if not any(variable["name"] == "JOB_COMPLETION_INDEX" for variable in env):
        env.append(field_variable("JOB_COMPLETION_INDEX", f"metadata.labels['{COMPLETION_INDEX}']"))
    for variable in env:
        if variable.get("value") == "":
            del variable["value"]
        source = variable.get("valueFrom", {}).get("fieldRef")
        if source is not None:
            source.setdefault("apiVersion", "v1")
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    container["resources"] = quantities.canonical(container.get("resources") or {})
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image", "")))
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")


def _pull_policy(image: str) -> str:
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    return "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent"


def _qos_class(spec: dict[str, Any]) -> str:
    """Return how hard the pod's cpu and memory are guaranteed."""
    resources = [container["resources"] for container in spec.get("initContainers", []) + spec["containers"]]
    amounts = [
        {kind: {name: item.get(kind, {}).get(name) for name in ("cpu", "memory")} for kind in ("requests", "limits")}
        for item in resources
    ]
    if not any(value for item in amounts for kind in item.values() for value in kind.values()):
        return "BestEffort"
    guaranteed = all(item["requests"] == item["limits"] and all(item["limits"].values()) for item in amounts)
    return "Guaranteed" if guaranteed else "Burstable"
