"""A runtime's template, made ready for one TrainJob: patches and resources merged in."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.local.strategic import strategic_merge
from airflow_kubeflow_trainer.local.trainer.constants import (
    ANCESTOR_LABEL,
    NODE,
    TRAINER_ANCESTOR,
)

ReplicatedJob = dict[str, Any]


@dataclass(frozen=True)
class Template:
    """What a runtime and a TrainJob's patches say together; what it holds may be changed by its owner."""

    labels: dict[str, str]
    annotations: dict[str, str]
    policy: dict[str, Any] | None
    """The runtime's ``mlPolicy``."""
    spec: dict[str, Any]
    """A JobSet's spec."""

    @property
    def jobs(self) -> list[ReplicatedJob]:
        """The replicated jobs."""
        jobs: list[ReplicatedJob] = self.spec.get("replicatedJobs", [])
        return jobs

    def has_policy(self, name: str) -> bool:
        """Tell whether the runtime uses one of Trainer's plugins: torch, jax, ..."""
        return bool(self.policy) and (self.policy or {}).get(name) is not None

    def trainer_job(self) -> ReplicatedJob | None:
        """Return the replicated job that trains."""
        return next((job for job in self.jobs if ancestor(job) == TRAINER_ANCESTOR), None)

    def trainer_container(self) -> dict[str, Any] | None:
        """Return the container that trains."""
        job = self.trainer_job()
        return None if job is None else container(job, NODE)

    def trainer_resources(self) -> dict[str, Any]:
        """Return the resources of one node, as Trainer looks them up."""
        for job in self.jobs:
            if job["name"] == NODE or ancestor(job) == TRAINER_ANCESTOR:
                node = container(job, NODE)
                if node is not None and "resources" in node:
                    resources: dict[str, Any] = node["resources"]
                    return resources
        return {}


def ancestor(job: ReplicatedJob) -> str | None:
    """Return which step of a TrainJob a replicated job stands for."""
    labels = job.get("template", {}).get("metadata", {}).get("labels") or {}
    step: str | None = labels.get(ANCESTOR_LABEL)
    return step


def pod_spec(job: ReplicatedJob) -> dict[str, Any]:
    """Return the replicated job's pod spec; an empty one for a job that only a patch knows."""
    spec: dict[str, Any] = job.get("template", {}).get("spec", {}).get("template", {}).get("spec", {})
    return spec


def container(job: ReplicatedJob, name: str) -> dict[str, Any] | None:
    return next(
        (item for item in pod_spec(job).get("containers", []) if item["name"] == name),
        None,
    )


def merge_template(trainjob: dict[str, Any], runtime: dict[str, Any]) -> Template:
    """Merge a TrainJob's runtimePatches and resources into its runtime's template."""
    source = copy.deepcopy(runtime["spec"].get("template") or {})
    metadata = source.get("metadata") or {}
    labels, annotations = (
        dict(metadata.get("labels") or {}),
        dict(metadata.get("annotations") or {}),
    )
    spec = source.get("spec") or {}
    order = {job["name"]: position for position, job in enumerate(spec.get("replicatedJobs", []))}
    for patch in trainjob["spec"].get("runtimePatches", []):
        template = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
        labels.update((template.get("metadata") or {}).get("labels") or {})
        annotations.update((template.get("metadata") or {}).get("annotations") or {})
        spec = strategic_merge(spec, template.get("spec") or {})
    if "replicatedJobs" in spec:
        spec["replicatedJobs"].sort(key=lambda job: order.get(job["name"], 0))
    merged = Template(labels, annotations, runtime["spec"].get("mlPolicy"), spec)
    _merge_resources(merged, (trainjob["spec"].get("trainer") or {}).get("resourcesPerNode"))
    return merged


def _merge_resources(template: Template, wanted: dict[str, Any] | None) -> None:
    if wanted is None or template.policy is None:
        return
    for job in template.jobs:
        node = container(job, NODE) if ancestor(job) == TRAINER_ANCESTOR else None
        if node is not None:
            base = node.get("resources", {})
            merged = {
                kind: {**(base.get(kind) or {}), **(wanted.get(kind) or {})}
                for kind in ("limits", "requests")
                if base.get(kind) or wanted.get(kind)
            }
            node["resources"] = merged
