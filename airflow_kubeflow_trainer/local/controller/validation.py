"""What keeps a JobSet from being created: checks that Trainer's admission does not make.

A TrainJob that fails here was admitted; only events tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Set
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import UNCHECKED, FieldError, aggregate, invalid
from airflow_kubeflow_trainer.local.admission.names import dns_1035_label_problems
from airflow_kubeflow_trainer.local.controller import identity
from airflow_kubeflow_trainer.local.controller.jobs import claim_name, claim_templates
from airflow_kubeflow_trainer.local.trainer.jobset import JobSet

_RANDOM_SUFFIX_LENGTH = 6
_NOT_IN_YAML = re.compile("[\x7f-\x84\x86-\x9f\ufffe\uffff]")
"""What JSON has as it stands, and YAML forbids: the JobSet that Trainer applies is read as YAML."""


class CreationError(Exception):
    """A child cannot be created; the message is the API server's."""


def check_jobset(trainjob: dict[str, Any], jobset: JobSet, *, existing_claims: Set[str] = frozenset()) -> None:
    """Check what JobSet's webhook checks.

    :param existing_claims: names of claims that are there already, and not this TrainJob's.
    :raises CreationError: the JobSet would be refused.
    """
    if _NOT_IN_YAML.search(json.dumps([jobset.annotations, jobset.spec], ensure_ascii=False, default=str)):
        raise CreationError(
            "error decoding YAML: error converting YAML to JSON: yaml: control characters are not allowed"
        )
    name = trainjob["metadata"]["name"]
    for i, job in enumerate(jobset.spec.get("replicatedJobs", [])):
        if not job["template"]["spec"]["template"]["spec"].get("containers"):
            path = f"spec.replicatedJobs[{i}].template.spec.template.spec.containers"
            errors = [
                invalid(path, "null", f'{path} in body must be of type array: "null"'),
                invalid("", None, UNCHECKED),
            ]
            raise CreationError(f'JobSet.jobset.x-k8s.io "{name}" is invalid: {aggregate(errors)}')
    errors = [
        *_name_errors(trainjob, jobset),
        *_volume_errors(jobset),
        *_unmounted_errors(jobset),
        *_claim_errors(trainjob, jobset, existing_claims),
    ]
    if errors:
        raise CreationError(
            f'admission webhook "vjobset.kb.io" denied the request: JobSet.jobset.x-k8s.io "{name}" is invalid:'
            f" {aggregate(errors)}"
        )


def check_reapply(trainjob: dict[str, Any], jobset: JobSet) -> None:
    """Check what happens where Trainer applies a JobSet a second time, to suspend or resume it.

    JobSet fills in a claim policy's retention at creation only; Trainer's next apply lacks it, and is refused.

    :raises CreationError: the JobSet would be refused.
    """
    policies = jobset.spec.get("volumeClaimPolicies", [])
    if any(not policy.get("retentionPolicy") for policy in policies):
        name = trainjob["metadata"]["name"]
        words = "spec.volumeClaimPolicies: Invalid value: Value is immutable"
        raise CreationError(f'JobSet.jobset.x-k8s.io "{name}" is invalid: {words}')


def _name_errors(trainjob: dict[str, Any], jobset: JobSet) -> Iterator[FieldError]:
    for i, replicated in enumerate(jobset.spec.get("replicatedJobs", [])):
        job = identity.job_name(trainjob["metadata"]["name"], replicated["name"], replicated["replicas"] - 1)
        pod = f"{job}-{replicated['template']['spec']['completions'] - 1}"
        for kind, length in (("job", len(job)), ("pod", len(pod) + _RANDOM_SUFFIX_LENGTH)):
            if length > 63:
                detail = f"JobSet name is too long, {kind} names generated for this JobSet will exceed 63 characters"
                yield invalid(f"spec.replicatedJobs[{i}].name", job, detail)
        for problem in dns_1035_label_problems(job[:63].rstrip("-")):
            yield invalid(f"spec.replicatedJobs[{i}].name", job, problem)


def _volume_errors(jobset: JobSet) -> Iterator[FieldError]:
    claims = [template["metadata"]["name"] for template, _ in claim_templates(jobset)]
    for i, replicated in enumerate(jobset.spec.get("replicatedJobs", [])):
        volumes = replicated["template"]["spec"]["template"]["spec"].get("volumes", [])
        for j, volume in enumerate(volumes):
            if volume["name"] in claims:
                path = f"spec.replicatedJobs[{i}].template.spec.template.spec.volumes[{j}].name"
                detail = f"volume name conflicts with VolumeClaimPolicy template name: {volume['name']}"
                yield invalid(path, volume["name"], detail)


def _unmounted_errors(jobset: JobSet) -> Iterator[FieldError]:
    jobs = jobset.spec.get("replicatedJobs", [])
    containers = [item for job in jobs for item in job["template"]["spec"]["template"]["spec"].get("containers", [])]
    mounted = {mount.get("name") for item in containers for mount in item.get("volumeMounts", [])}
    for template, _ in claim_templates(jobset):
        name = template["metadata"]["name"]
        if name not in mounted:
            detail = f"replicatedJob containers don't have a matching volumeMount: {name} from VolumeClaimPolicies"
            yield invalid("spec.replicatedJobs", jobs, detail)


def _claim_errors(trainjob: dict[str, Any], jobset: JobSet, existing: Set[str]) -> Iterator[FieldError]:
    namespace = trainjob["metadata"]["namespace"]
    for i, policy in enumerate(jobset.spec.get("volumeClaimPolicies", [])):
        retention = (policy.get("retentionPolicy") or {}).get("whenDeleted") or "Delete"
        for j, template in enumerate(policy.get("templates", [])):
            name = claim_name(trainjob, template)
            if name not in existing:
                continue
            path = f"spec.volumeClaimPolicies[{i}]"
            # JobSet compares with the spec as the API server has filled it in, which never equals a template's.
            detail = f"spec does not match existing PVC {name} in namespace {namespace}"
            yield invalid(f"{path}.template[{j}].spec", template["spec"], detail)
            if retention != "Retain":
                detail = "retentionPolicy must be retain when PVC exists"
                yield invalid(f"{path}.retentionPolicy.whenDeleted", retention, detail)
