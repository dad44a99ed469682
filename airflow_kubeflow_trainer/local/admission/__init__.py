"""Admission of the local cluster: what the API server, Trainer's schemas and Trainer's webhooks let in.

:func:`admit` goes through the stages of a real API server in its order, so that a bad request gets the same code
and the same words: decoding (400), the mutating webhook (400 in the words of Go's decoder), schema and CEL (422), the
validating webhook (403).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any, Literal, Protocol

from airflow_kubeflow_trainer.local.admission import (
    cel,
    decoding,
    runtime,
    structural,
    trainjob,
)
from airflow_kubeflow_trainer.local.admission.errors import (
    UNCHECKED,
    ErrorType,
    FieldError,
    aggregate,
    invalid,
)
from airflow_kubeflow_trainer.local.admission.names import metadata_errors
from airflow_kubeflow_trainer.local.admission.trainjob import Lookup
from airflow_kubeflow_trainer.local.status import StatusError

__all__ = ["admit", "custom_resource"]

GROUP, VERSION = "trainer.kubeflow.org", "v1alpha1"
_BLOCKING = (
    ErrorType.NOT_SUPPORTED,
    ErrorType.REQUIRED,
    ErrorType.TOO_LONG,
    ErrorType.TOO_MANY,
    ErrorType.TYPE_INVALID,
)


class ResourceLike(Protocol):
    """What admission needs to know of a resource."""

    @property
    def group(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def kind(self) -> str: ...


@cache
def custom_resource(plural: str) -> dict[str, Any]:
    """Return the spec of one of Trainer's CustomResourceDefinitions, without descriptions. Not to be changed.

    :raises FileNotFoundError: Trainer has no such resource.
    """
    file = resources.files("airflow_kubeflow_trainer.local") / "schemas" / f"{plural}.json"
    definition: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return definition


def admit(
    *,
    operation: Literal["CREATE", "UPDATE"],
    resource: ResourceLike,
    obj: dict[str, Any],
    old: dict[str, Any] | None,
    lookup: Lookup,
    field_validation: str = "Strict",
) -> tuple[dict[str, Any], list[str]]:
    """Check a write of an object and fill in its defaults.

    Objects that are not Trainer's pass once their metadata is good.

    :param old: the stored object before an update; None on create.
    :param lookup: finds a stored object by plural, namespace and name.
    :param field_validation: what becomes of unknown fields: refused (Strict), dropped with a warning (Warn), dropped.
    :return: the object to store, and warnings for the client. The given object is left alone.
    :raises StatusError: the object is refused.
    """
    obj = copy.deepcopy(obj)
    before = old if operation == "UPDATE" else None
    if resource.group != GROUP:
        _refuse_invalid(resource, obj, metadata_errors(obj.get("metadata") or {}))
        return obj, []
    schema = custom_resource(resource.plural)["versions"][0]["schema"]["openAPIV3Schema"]
    warnings = _decode(resource, obj, schema, field_validation)
    if resource.plural == "trainjobs":
        _mutate(obj, schema, before)
    _refuse_invalid(resource, obj, _schema_errors(obj, schema, before))
    errors, more = _webhook(resource, obj, before, lookup)
    if errors:
        raise _denied(resource, aggregate(errors))
    return obj, warnings + more


def _decode(
    resource: ResourceLike,
    obj: dict[str, Any],
    schema: dict[str, Any],
    field_validation: str,
) -> list[str]:
    metadata = obj.get("metadata") or {}
    prefix = f'{resource.kind} in version "{VERSION}" cannot be handled as a {resource.kind}'
    for field in ("labels", "annotations"):
        for value in (metadata.get(field) or {}).values():
            if not isinstance(value, str):
                kind = (
                    "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
                )
                words = f"json: cannot unmarshal {kind} into Go struct field ObjectMeta.{field} of type string"
                raise StatusError(400, "BadRequest", f"{prefix}: {words}")
    unknown = [f'unknown field "{path}"' for path in structural.prune(obj, schema)]
    if unknown and field_validation == "Strict":
        raise StatusError(400, "BadRequest", f"{prefix}: strict decoding error: {', '.join(unknown)}")
    structural.default(obj, schema)
    return unknown if field_validation == "Warn" else []


def _mutate(obj: dict[str, Any], schema: dict[str, Any], old: dict[str, Any] | None) -> None:
    problem = decoding.first_error(obj, schema)
    if problem is not None:
        # Kubernetes leaves the reason of such an answer empty.
        webhook = f"defaulter.trainjob.{GROUP}"
        raise StatusError(400, "", f'admission webhook "{webhook}" denied the request: {problem}')
    before = copy.deepcopy(obj)
    trainjob.stamp_patches(obj, old, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if obj != before:
        # What the webhook has changed comes back as its types write it.
        decoding.write_as_go_does(obj, schema)


def _schema_errors(obj: dict[str, Any], schema: dict[str, Any], old: dict[str, Any] | None) -> list[FieldError]:
    errors = metadata_errors(obj.get("metadata") or {})
    # A new object's status is dropped before its schema is looked at.
    checked = {key: value for key, value in obj.items() if key != "metadata" and not (key == "status" and old is None)}
    errors += structural.validate(checked, schema)
    if any(error.type in _BLOCKING for error in errors):
        return [*errors, invalid("", None, UNCHECKED)]
    return [
        *errors,
        *cel.validate(obj, schema, old=cel.NOTHING if old is None else old),
    ]


def _webhook(
    resource: ResourceLike,
    obj: dict[str, Any],
    old: dict[str, Any] | None,
    lookup: Lookup,
) -> tuple[list[FieldError], list[str]]:
    obj.setdefault("spec", {})
    if resource.plural != "trainjobs":
        return runtime.validate(obj, old, cluster_wide=resource.plural == "clustertrainingruntimes")
    try:
        return trainjob.validate(obj, old, lookup)
    except trainjob.DeniedError as refusal:
        raise _denied(resource, str(refusal)) from refusal


def _denied(resource: ResourceLike, problem: str) -> StatusError:
    webhook = f"validator.{resource.kind.lower()}.{GROUP}"
    return StatusError(403, "Forbidden", f'admission webhook "{webhook}" denied the request: {problem}')


def _refuse_invalid(resource: ResourceLike, obj: dict[str, Any], errors: Sequence[FieldError]) -> None:
    if not errors:
        return
    name = (obj.get("metadata") or {}).get("name", "")
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    raise StatusError(
        422,
        "Invalid",
        f'{kind} "{name}" is invalid: {aggregate(errors)}',
        details={"name": name, "group": resource.group, "kind": resource.kind},
        causes=[error.as_cause() for error in errors],
    )
