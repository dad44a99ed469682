"""What the API server refuses in a container's variables: in its order, and in its words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import FieldError, invalid, not_supported, required
from airflow_kubeflow_trainer.local.admission.names import (
    config_key_problems,
    qualified_name_problems,
    subdomain_problems,
)
from airflow_kubeflow_trainer.local.quantity import canonical_quantity, parse_quantity

_NAME = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
_NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_FIELDS = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
)
_NOT_FOR_VARIABLES = (
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
)
"""Fields that Kubernetes knows otherwise."""
_KEYED = ("metadata.annotations", "metadata.labels")
_RESOURCES = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVISORS = {
    "cpu": (("1m", "1"), "1m and 1 are supported with the cpu resource"),
    "memory": (_BYTES, f"{', '.join(_BYTES)} are supported with the memory resource"),
    "ephemeral-storage": (_BYTES, f"{', '.join(_BYTES)} are supported with the local ephemeral storage resource"),
    "hugepages": (_BYTES, f"{', '.join(_BYTES)} are supported with the hugepages resource"),
}


def env_errors(env: Sequence[Mapping[str, Any]], path: str) -> Iterator[FieldError]:
    """Check the variables of one container."""
    for i, variable in enumerate(env):
        name = variable.get("name", "")
        if not name:
            yield required(f"{path}[{i}].name")
        elif not re.fullmatch(r"[ -<>-~]+", name):
            yield invalid(f"{path}[{i}].name", name, _NAME)
        origin = variable.get("valueFrom")
        if origin is not None:
            yield from _origin_errors(origin, bool(variable.get("value")), f"{path}[{i}].valueFrom")


def _origin_errors(origin: Mapping[str, Any], has_value: bool, path: str) -> Iterator[FieldError]:
    given = [source for source in _SOURCES if origin.get(source) is not None]
    checks = {"fieldRef": _field_errors, "resourceFieldRef": _resource_errors}
    for source in given:
        yield from checks.get(source, _key_errors)(origin[source], f"{path}.{source}")
    if not given:
        yield invalid(path, "", _NO_SOURCE)
    elif has_value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def _key_errors(reference: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    name, key = reference.get("name", ""), reference.get("key", "")
    for problem in subdomain_problems(name):
        yield invalid(f"{path}.name", name, problem)
    if not key:
        yield required(f"{path}.key")
        return
    for problem in config_key_problems(key):
        yield invalid(f"{path}.key", key, problem)


def _field_errors(reference: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    field = reference.get("fieldPath", "")
    keyed = re.fullmatch(r"(?s)(.+?)\['(.*)'\]", field)
    if not field:
        yield required(f"{path}.fieldPath")
    elif keyed is not None and keyed[1] in _KEYED:
        key = keyed[2] if keyed[1] == "metadata.labels" else keyed[2].lower()
        for problem in qualified_name_problems(key):
            yield invalid(path, key, problem)
    elif keyed is not None:
        words = f"error converting fieldPath: field label does not support subscript: {field}"
        yield invalid(f"{path}.fieldPath", field, words)
    elif field in _NOT_FOR_VARIABLES:
        yield not_supported(f"{path}.fieldPath", field, sorted(_FIELDS))
    elif field not in (*_FIELDS, "spec.host"):
        yield invalid(f"{path}.fieldPath", field, f"error converting fieldPath: field label not supported: {field}")


def _resource_errors(reference: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    resource = reference.get("resource", "")
    if not resource:
        yield required(f"{path}.resource")
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        yield not_supported(f"{path}.resource", resource, sorted(_RESOURCES))
    divisor = reference.get("divisor") or 0
    kind = "hugepages" if resource.startswith(_HUGE_PAGES) else resource.partition(".")[2]
    if resource and kind in _DIVISORS and parse_quantity(divisor) != 0:
        known, words = _DIVISORS[kind]
        if canonical_quantity(divisor) not in known:
            yield invalid(f"{path}.divisor", resource, f"only divisor's values {words}")
