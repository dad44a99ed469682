"""Trainer's webhooks for TrainingRuntimes and ClusterTrainingRuntimes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import FieldError, invalid
from airflow_kubeflow_trainer.local.trainer.constants import (
    DATASET_INITIALIZER,
    DEPRECATED,
    DEPRECATION_POLICY_URL,
    MODEL_INITIALIZER,
    NODE,
    SUPPORT_LABEL,
    TRAINER_ANCESTOR,
)
from airflow_kubeflow_trainer.local.trainer.template import (
    ancestor,
    container,
    pod_spec,
)

REQUIRED_CONTAINERS = {
    TRAINER_ANCESTOR: NODE,
    MODEL_INITIALIZER: MODEL_INITIALIZER,
    DATASET_INITIALIZER: DATASET_INITIALIZER,
}


def validate(
    runtime: dict[str, Any], old: dict[str, Any] | None, *, cluster_wide: bool
) -> tuple[list[FieldError], list[str]]:
    """Return what the validating webhook finds wrong, and its warnings; a TrainingRuntime's updates go unchecked."""
    if old is not None and not cluster_wide:
        return [], []
    warnings = []
    if cluster_wide and old is None and (runtime["metadata"].get("labels") or {}).get(SUPPORT_LABEL) == DEPRECATED:
        name = runtime["metadata"].get("name", "")
        warnings.append(
            f'ClusterTrainingRuntime "{name}" is deprecated and will be removed in a future release of Kubeflow'
            f" Trainer. See runtime deprecation policy: {DEPRECATION_POLICY_URL}"
        )
    template = runtime["spec"].get("template") or {}
    return list(_job_errors((template.get("spec") or {}).get("replicatedJobs", []))), warnings


def _job_errors(jobs: list[dict[str, Any]]) -> Iterator[FieldError]:
    for i, job in enumerate(jobs):
        path = f"spec.template.spec.replicatedJobs[{i}]"
        step = ancestor(job)
        if step not in REQUIRED_CONTAINERS:
            continue
        if job["replicas"] != 1:
            yield invalid(f"{path}.replicas", job["replicas"], "always must be 1")
        if container(job, REQUIRED_CONTAINERS[step]) is None:
            # Go prints the empty resources of a container too.
            containers = [{"resources": {}, **item} for item in pod_spec(job).get("containers", [])]
            detail = f"must contain the required container for the ancestor: {step}"
            yield invalid(f"{path}.template.spec.template.spec.containers", containers, detail)
