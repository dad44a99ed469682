"""Trainer's webhooks for TrainJobs: what they fill in, and what they refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import (
    FieldError,
    forbidden,
    invalid,
)
from airflow_kubeflow_trainer.local.admission.names import domain_prefixed_path_errors
from airflow_kubeflow_trainer.local.admission.torch import torch_errors
from airflow_kubeflow_trainer.local.trainer.constants import (
    DATASET_INITIALIZER,
    DEPRECATED,
    DEPRECATION_POLICY_URL,
    INITIALIZER_VOLUME,
    MODEL_INITIALIZER,
    NODE,
    SUPPORT_LABEL,
)
from airflow_kubeflow_trainer.local.trainer.template import (
    Template,
    merge_template,
    pod_spec,
)

Lookup = Callable[[str, str | None, str], dict[str, Any] | None]
"""Finds an object by plural, namespace and name."""

RUNTIME_KINDS = {
    "ClusterTrainingRuntime": "clustertrainingruntimes",
    "TrainingRuntime": "trainingruntimes",
}
PATCHES = "spec.runtimePatches"
MPI_ENV = (
    "OMPI_MCA_orte_default_hostfile",
    "OMPI_MCA_orte_keep_fqdn_hostnames",
    "OMPI_MCA_orte_set_default_slots",
    "OMPI_MCA_plm_rsh_args",
)
XGBOOST_ENV = (
    "DMLC_TRACKER_URI",
    "DMLC_TRACKER_PORT",
    "DMLC_TASK_ID",
    "DMLC_NUM_WORKER",
)


class DeniedError(Exception):
    """A webhook's refusal that names no field."""


def stamp_patches(trainjob: dict[str, Any], old: dict[str, Any] | None, now: str) -> None:
    """Set the time of each runtime patch that is new or has changed, in place.

    :param now: RFC 3339.
    """
    before = {patch["manager"]: patch for patch in _patches(old)} if old else {}
    for patch in _patches(trainjob):
        known = before.get(patch.get("manager"))
        if known is None:
            patch.setdefault("time", now)
        elif {**known, "time": None} == {**patch, "time": None}:
            patch["time"] = known.get("time")
        else:
            patch["time"] = now


def validate(
    trainjob: dict[str, Any], old: dict[str, Any] | None, lookup: Lookup
) -> tuple[list[FieldError], list[str]]:
    """Return what the validating webhook finds wrong, and its warnings.

    :raises DeniedError: the runtime is of a kind that Trainer doesn't know.
    """
    reference = trainjob["spec"].get("runtimeRef") or {}
    kind, group = reference.get("kind", ""), reference.get("apiGroup", "")
    if kind not in RUNTIME_KINDS or group != "trainer.kubeflow.org":
        raise DeniedError(f"unsupported runtime: {f'{kind}.{group}' if group else kind}")
    cluster_wide = kind == "ClusterTrainingRuntime"
    namespace = None if cluster_wide else trainjob["metadata"].get("namespace")
    runtime = lookup(RUNTIME_KINDS[kind], namespace, reference["name"])
    if runtime is None:
        detail = (
            f'{kind}.{group} "{reference["name"]}" not found: specified {kind[0].lower()}{kind[1:]} must be created'
            " before the TrainJob is created"
        )
        return [
            invalid(
                "spec.RuntimeRef" if cluster_wide else "spec.runtimeRef",
                reference,
                detail,
            )
        ], []
    template = merge_template(trainjob, runtime)
    errors = [
        *torch_errors(template, trainjob),
        *_other_policy_errors(template, trainjob),
        *_initializer_errors(template, trainjob),
        *_changed_patches_errors(trainjob, old),
        *_patch_errors(template, trainjob),
    ]
    return errors, _deprecation(runtime) if cluster_wide else []


def _patches(trainjob: dict[str, Any]) -> list[dict[str, Any]]:
    patches: list[dict[str, Any]] = (trainjob.get("spec") or {}).get("runtimePatches") or []
    return patches


def _deprecation(runtime: dict[str, Any]) -> list[str]:
    name, labels = runtime["metadata"]["name"], runtime["metadata"].get("labels") or {}
    if labels.get(SUPPORT_LABEL) != DEPRECATED:
        return []
    warning = (
        f'Referenced ClusterTrainingRuntime "{name}" is deprecated and will be removed in a future release of Kubeflow'
        f" Trainer. See runtime deprecation policy: {DEPRECATION_POLICY_URL}"
    )
    return [warning]


def _other_policy_errors(template: Template, trainjob: dict[str, Any]) -> Iterator[FieldError]:
    trainer = trainjob["spec"].get("trainer") or {}
    env = trainer.get("env", [])
    if template.has_policy("mpi"):
        reserved = sorted({variable["name"] for variable in env} & set(MPI_ENV))
        if reserved:
            detail = f"must not have reserved envs, invalid envs configured: [{' '.join(reserved)}]"
            yield invalid("spec.trainer.env", env, detail)
    if template.has_policy("xgboost"):
        for i, variable in enumerate(env):
            if variable["name"] in XGBOOST_ENV:
                yield forbidden(
                    f"spec.trainer.env[{i}]",
                    f"{variable['name']} is reserved for the XGBoost runtime",
                )
    if template.has_policy("flux"):
        processes = trainer.get("numProcPerNode", 1)
        if processes < 1:
            detail = "must be greater than or equal to 1 for Flux TrainJob"
            yield invalid("spec.trainer.numProcPerNode", processes, detail)


def _initializer_errors(template: Template, trainjob: dict[str, Any]) -> Iterator[FieldError]:
    initializer = trainjob["spec"].get("initializer") or {}
    for step, field in ((DATASET_INITIALIZER, "dataset"), (MODEL_INITIALIZER, "model")):
        if initializer.get(field) is None:
            continue
        problem = _initializer_problem(template, step, field)
        if problem is not None:
            yield invalid("spec.runtimeRef", trainjob["spec"]["runtimeRef"], problem)


def _initializer_problem(template: Template, step: str, field: str) -> str | None:
    job = next((job for job in template.jobs if job["name"] == step), None)
    if job is None:
        return f"must have {step} job when trainJob is configured with input {field}Config"
    containers = [item for item in pod_spec(job).get("containers", []) if item["name"] == step]
    if not containers and step not in _container_names(job):
        return f"must have container with name - {step} in the {step} job"
    mounts = [mount.get("name") for item in containers for mount in item.get("volumeMounts", [])]
    if INITIALIZER_VOLUME not in mounts:
        return f"must have volumeMount with name - {INITIALIZER_VOLUME} in container {step} of the {step} job"
    return None


def _container_names(job: dict[str, Any]) -> set[str]:
    spec = pod_spec(job)
    return {item["name"] for item in spec.get("initContainers", []) + spec.get("containers", [])}


def _changed_patches_errors(trainjob: dict[str, Any], old: dict[str, Any] | None) -> Iterator[FieldError]:
    if old is None or _patches(trainjob) == _patches(old):
        return
    if not old["spec"].get("suspend") and not trainjob["spec"].get("suspend"):
        yield forbidden(
            PATCHES,
            "RuntimePatches can only be modified when the TrainJob is suspended before or after the update",
        )
        return
    for status in (old.get("status") or {}).get("jobsStatus", []):
        if status.get("active", 0) > 0:
            name = status["name"]
            yield forbidden(
                PATCHES,
                f"RuntimePatches cannot be modified when the JobSet's ReplicatedJob {name} is still active",
            )


def _patch_errors(template: Template, trainjob: dict[str, Any]) -> Iterator[FieldError]:
    patches = copy.deepcopy(_patches(trainjob))
    jobs = {job["name"]: _container_names(job) for job in template.jobs}
    for patch in patches:
        yield from domain_prefixed_path_errors(f"{PATCHES}.manager", patch.get("manager", ""))
        spec = ((patch.get("trainingRuntimeSpec") or {}).get("template") or {}).get("spec") or {}
        for job in spec.get("replicatedJobs", []):
            for problem in _job_patch_problems(job, jobs):
                yield invalid(PATCHES, patches, problem)


def _job_patch_problems(job: dict[str, Any], jobs: dict[str, set[str]]) -> Iterator[str]:
    name = job["name"]
    # A patch has been merged before it is checked, so what it adds is taken for the runtime's: as with Trainer 2.3.
    if name not in jobs:
        yield "must not have replicated job that doesn't exist in the runtime job template"
        return
    spec = pod_spec(job)
    for item in spec.get("initContainers", []):
        if item["name"] not in jobs[name]:
            yield f"must not have initContainer that doesn't exist in the runtime job {name}"
    for item in spec.get("containers", []):
        if item["name"] not in jobs[name]:
            yield f"must not have container that doesn't exist in the runtime job {name}"
        elif item.get("env") and item["name"] in (
            DATASET_INITIALIZER,
            MODEL_INITIALIZER,
            NODE,
        ):
            yield f"must not have envs for the {DATASET_INITIALIZER}, {MODEL_INITIALIZER}, {NODE} containers"
