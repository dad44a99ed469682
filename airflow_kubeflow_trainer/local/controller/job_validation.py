"""What the API server refuses in a Job, as far as a TrainJob can get it wrong: in its order, and in its words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import (
    ErrorType,
    FieldError,
    aggregate,
    invalid,
    not_found,
    not_supported,
    required,
)
from airflow_kubeflow_trainer.local.admission.names import (
    dns_1123_label_problems,
    label_errors,
    qualified_name_problems,
    subdomain_problems,
)
from airflow_kubeflow_trainer.local.controller.env_validation import env_errors
from airflow_kubeflow_trainer.local.controller.jobs import Job
from airflow_kubeflow_trainer.local.controller.validation import CreationError
from airflow_kubeflow_trainer.local.quantity import canonical_quantity, parse_quantity

_STANDARD_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_POD = "spec.template.spec"
_NAMED_SOURCES = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName", "hostPath": "path"}
_ONE_SOURCE = "may not specify more than 1 volume type"
_MATCHES_ALL = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
_SECONDS_WITHOUT_EFFECT = "effect must be 'NoExecute' when `tolerationSeconds` is set"
_OPERATORS, _COMPARING = ("Equal", "Exists"), ("Lt", "Gt")
_NEGATIVE = "must be greater than or equal to 0"


def check_job(job: Job) -> None:
    """Check a Job before it is created.

    :raises CreationError: the API server would refuse it.
    """
    errors = [*_count_errors(job), *_pod_errors(job.spec["template"]["spec"])]
    if errors:
        words = f'Job.batch "{job.name}" is invalid: {aggregate(errors)}'
        raise CreationError(f'job "{job.name}" creation failed with error: {words}')


def _count_errors(job: Job) -> Iterator[FieldError]:
    for field in ("parallelism", "completions"):
        if job.spec[field] < 0:
            yield invalid(f"spec.{field}", job.spec[field], _NEGATIVE)


def _pod_errors(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    volumes: set[str] = set()
    for i, volume in enumerate(spec.get("volumes", [])):
        errors = list(_volume_errors(volume, f"{_POD}.volumes[{i}]"))
        yield from errors
        if not errors:
            volumes.add(volume["name"])
    for kind in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(kind, [])):
            yield from _container_errors(container, f"{_POD}.{kind}[{i}]", volumes)
    yield from label_errors(spec.get("nodeSelector", {}), f"{_POD}.nodeSelector")
    for i, gate in enumerate(spec.get("schedulingGates", [])):
        for problem in qualified_name_problems(gate.get("name", "")):
            yield invalid(f"{_POD}.schedulingGates[{i}]", gate.get("name", ""), problem)
    account = spec.get("serviceAccountName")
    for problem in subdomain_problems(account) if account else ():
        yield invalid(f"{_POD}.serviceAccountName", account, problem)
    for i, toleration in enumerate(spec.get("tolerations", [])):
        yield from _toleration_errors(toleration, f"{_POD}.tolerations[{i}]")


def _volume_errors(volume: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    sources = [key for key in volume if key != "name"]
    for source in sources[1:]:
        yield FieldError(type=ErrorType.FORBIDDEN, field=f"{path}.{source}", detail=_ONE_SOURCE)
    for source in sources[:1]:
        named = _NAMED_SOURCES.get(source)
        if named is not None and not volume[source].get(named):
            yield required(f"{path}.{source}.{named}")
    name = volume.get("name")
    if not name:
        yield required(f"{path}.name")
        return
    for problem in dns_1123_label_problems(name):
        yield invalid(f"{path}.name", name, problem)


def _container_errors(container: Mapping[str, Any], path: str, volumes: set[str]) -> Iterator[FieldError]:
    if not container.get("image"):
        yield required(f"{path}.image")
    yield from env_errors(container.get("env", []), f"{path}.env")
    for i, source in enumerate(container.get("envFrom", [])):
        for kind in ("configMapRef", "secretRef"):
            if source.get(kind) is not None and not source[kind].get("name"):
                yield required(f"{path}.envFrom[{i}].{kind}.name")
    yield from _mount_errors(container.get("volumeMounts", []), f"{path}.volumeMounts", volumes)
    yield from _resource_errors(container.get("resources", {}), f"{path}.resources")


def _mount_errors(mounts: list[dict[str, Any]], path: str, volumes: set[str]) -> Iterator[FieldError]:
    for i, mount in enumerate(mounts):
        name = mount.get("name", "")
        if not name:
            yield required(f"{path}[{i}].name")
        if name not in volumes:
            yield not_found(f"{path}[{i}].name", name)
        if not mount.get("mountPath"):
            yield required(f"{path}[{i}].mountPath")
        sub_path = str(mount.get("subPath", ""))
        # The API server leaves out which mount it is.
        if sub_path.startswith("/"):
            yield invalid(f"{path}.subPath", sub_path, "must be a relative path")
        if ".." in sub_path.split("/"):
            yield invalid(f"{path}.subPath", sub_path, "must not contain '..'")


def _resource_errors(resources: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    limits = resources.get("limits") or {}
    for kind in ("limits", "requests"):
        for name, amount in sorted((resources.get(kind) or {}).items()):
            yield from _amount_errors(name, parse_quantity(amount), f"{path}.{kind}[{name}]")
            if kind == "requests":
                yield from _request_errors(name, amount, limits.get(name), path)


def _amount_errors(name: str, amount: Decimal, path: str) -> Iterator[FieldError]:
    extended = "/" in name
    if not extended and name not in _STANDARD_RESOURCES and not name.startswith("hugepages-"):
        yield invalid(path, name, "must be a standard resource type or fully qualified")
        yield invalid(path, name, "must be a standard resource for containers")
    if amount < 0:
        yield invalid(path, canonical_quantity(str(amount)), _NEGATIVE)
    if extended and amount % 1:
        yield invalid(path, canonical_quantity(str(amount)), "must be an integer")


def _request_errors(name: str, request: Any, limit: Any, path: str) -> Iterator[FieldError]:
    """Check a request against its limit, without which nobody may ask for a device."""
    if limit is None:
        if "/" in name:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    asked, allowed = parse_quantity(request), parse_quantity(limit)
    words = f"{name} limit of {canonical_quantity(limit)}"
    if "/" in name and asked != allowed:
        yield invalid(f"{path}.requests", canonical_quantity(request), f"must be equal to {words}")
    elif asked > allowed:
        yield invalid(f"{path}.requests", canonical_quantity(request), f"must be less than or equal to {words}")


def _toleration_errors(toleration: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    operator = toleration.get("operator") or ""
    if not toleration.get("key") and operator != "Exists":
        yield invalid(f"{path}.operator", operator, _MATCHES_ALL)
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        yield invalid(f"{path}.effect", toleration.get("effect") or "", _SECONDS_WITHOUT_EFFECT)
    if operator == "Exists" and toleration.get("value"):
        yield invalid(f"{path}.operator", toleration["value"], "value must be empty when `operator` is 'Exists'")
    elif operator not in ("", *_OPERATORS):
        known = (*_OPERATORS, *_COMPARING) if operator in _COMPARING else _OPERATORS
        yield not_supported(f"{path}.operator", operator, known)
