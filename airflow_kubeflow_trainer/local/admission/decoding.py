"""What Trainer's webhook says where a TrainJob doesn't fit its Go types: the words of Go's JSON decoder."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_kubeflow_trainer.local.admission.structural import Schema, join
from airflow_kubeflow_trainer.local.quantity import canonical_quantity

_PATCH = "spec.runtimePatches.trainingRuntimeSpec"
_POD_PATCH = f"{_PATCH}.template.spec.replicatedJobs.template.spec.template"

_TRAINER_STRUCTS = {
    "": "TrainJob",
    "spec": "TrainJobSpec",
    "spec.runtimeRef": "RuntimeRef",
    "spec.initializer": "Initializer",
    "spec.initializer.dataset": "DatasetInitializer",
    "spec.initializer.model": "ModelInitializer",
    "spec.trainer": "Trainer",
    "spec.runtimePatches": "RuntimePatch",
    _PATCH: "TrainingRuntimeSpecPatch",
    f"{_PATCH}.template": "JobSetTemplatePatch",
    f"{_PATCH}.template.spec": "JobSetSpecPatch",
    f"{_PATCH}.template.spec.replicatedJobs": "ReplicatedJobPatch",
    f"{_PATCH}.template.spec.replicatedJobs.template": "JobTemplatePatch",
    f"{_PATCH}.template.spec.replicatedJobs.template.spec": "JobSpecPatch",
    _POD_PATCH: "PodTemplatePatch",
    f"{_POD_PATCH}.spec": "PodSpecPatch",
    f"{_POD_PATCH}.spec.containers": "ContainerPatch",
    f"{_POD_PATCH}.spec.initContainers": "ContainerPatch",
    "status": "TrainJobStatus",
    "status.jobsStatus": "JobStatus",
    "status.trainerStatus": "TrainerStatus",
}
_CORE_STRUCTS = {
    "env": "EnvVar",
    "valueFrom": "EnvVarSource",
    "fieldRef": "ObjectFieldSelector",
    "resourceFieldRef": "ResourceFieldSelector",
    "configMapKeyRef": "ConfigMapKeySelector",
    "secretKeyRef": "SecretKeySelector",
    "secretRef": "LocalObjectReference",
    "imagePullSecrets": "LocalObjectReference",
    "resourcesPerNode": "ResourceRequirements",
    "metadata": "ObjectMeta",
    "volumes": "Volume",
    "volumeMounts": "VolumeMount",
    "tolerations": "Toleration",
    "schedulingGates": "PodSchedulingGate",
    "persistentVolumeClaim": "PersistentVolumeClaimVolumeSource",
    "conditions": "Condition",
    "claims": "ResourceClaim",
}
_QUANTITY = r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)"
_QUANTITY_MESSAGE = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"  # in Go's own words
)


def first_error(obj: dict[str, Any], schema: Schema) -> str | None:
    """Return the decoder's message about the first value of a wrong type; None where all fit."""
    # Metadata was decoded by the API server before any webhook saw the object.
    decoded = {key: value for key, value in obj.items() if key in ("spec", "status")}
    found = list(_errors(decoded, schema, "", ""))
    # A value that decodes itself ends the decoding; one of a wrong type is remembered, and the first of them told.
    aborting = [error.words for error in found if error.aborts]
    return next(iter(aborting or [error.words for error in found]), None)


@dataclass(frozen=True)
class _Error:
    words: str
    aborts: bool = False


def write_as_go_does(obj: dict[str, Any], schema: Schema) -> None:
    """Write a spec, in place, as one that goes through Trainer's Go types comes back.

    Kubernetes' own types write a required text in any case, an empty one too; Trainer's leave it out. Quantities come
    back in their shortest form, and as text.
    """
    if isinstance(obj.get("spec"), dict):
        _write(obj["spec"], schema["properties"]["spec"], "spec")


def _write(value: Any, schema: Schema, path: str) -> None:
    if isinstance(value, list) and "items" in schema:
        zero = {"string": "", "object": {}}.get(schema["items"].get("type"))
        value[:] = [copy.deepcopy(zero) if item is None else item for item in value]
        for item in value:
            _write(item, schema["items"], path)
    elif isinstance(value, dict):
        properties = schema.get("properties", {})
        if path not in _TRAINER_STRUCTS:
            for key in schema.get("required", ()):
                if properties[key].get("type") == "string" and value.get(key) is None:
                    value[key] = ""
        for key, item in value.items():
            child = properties.get(key) or schema.get("additionalProperties")
            if isinstance(child, dict) and child.get("x-kubernetes-int-or-string"):
                value[key] = canonical_quantity(item)
            elif key in properties:
                _write(item, properties[key], join(path, key))


def _errors(value: Any, schema: Schema, path: str, parent: str) -> Iterator[_Error]:
    """Check a value.

    :param path: where it lies, without the positions in lists.
    :param parent: the path of the struct that it is a field of.
    """
    if value is None:
        return
    special = _special_error(value, schema)
    if special is not None:
        yield _Error(special, aborts=True)
    elif schema.get("x-kubernetes-int-or-string"):
        return
    elif not _fits(value, schema):
        yield _Error(
            f"json: cannot unmarshal {_kind(value, schema)} into Go struct field"
            f" {_struct(parent)[1]}.{path} of type {_go_type(schema, path)}",
            aborts=schema.get("format") == "date-time",
        )
    elif isinstance(value, dict):
        yield from _object_errors(value, schema, path, parent)
    elif isinstance(value, list):
        of_structs = schema["items"].get("type") == "object"
        for item in value:
            yield from _errors(item, schema["items"], path, path if of_structs else parent)


def _object_errors(value: dict[str, Any], schema: Schema, path: str, parent: str) -> Iterator[_Error]:
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties", {})
    # The API server sends objects on with their keys in order, and the first error is the one that is told.
    for key, item in sorted(value.items()):
        if key in properties:
            yield from _errors(item, properties[key], join(path, key), path)
        elif isinstance(rest, dict):
            yield from _errors(item, rest, path, parent)


def _special_error(value: Any, schema: Schema) -> str | None:
    """Check types that decode themselves: quantities and times."""
    if schema.get("x-kubernetes-int-or-string") and "pattern" in schema:
        good = not isinstance(value, bool) and re.fullmatch(_QUANTITY, str(value))
        return None if good else _QUANTITY_MESSAGE
    if schema.get("format") == "date-time" and isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}" as "2006"'
    return None


def _fits(value: Any, schema: Schema) -> bool:
    match schema.get("type"):
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            bits = 32 if schema.get("format") == "int32" else 64
            return (
                isinstance(value, int) and not isinstance(value, bool) and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)
            )
        case _:
            return True


def _kind(value: Any, schema: Schema) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            # The decoder names the number where a number is wanted, but not this one.
            return f"number {value}" if schema.get("type") == "integer" else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _go_type(schema: Schema, path: str) -> str:
    match schema.get("type"):
        case "array":
            return f"[]{_go_type(schema['items'], path)}"
        case "object" if "additionalProperties" in schema:
            return f"map[string]{_go_type(schema['additionalProperties'], path)}"
        case "object":
            package, name = _struct(path)
            return f"{package}.{name}"
        case "boolean":
            return "bool"
        case "integer":
            return str(schema.get("format", "int64"))
        case other:
            return str(other)


def _struct(path: str) -> tuple[str, str]:
    """Return the package and the name of the Go struct that lies at a path."""
    if path in _TRAINER_STRUCTS:
        return "v1alpha1", _TRAINER_STRUCTS[path]
    field = path.rpartition(".")[2]
    return "v1", _CORE_STRUCTS.get(field, field[:1].upper() + field[1:])
