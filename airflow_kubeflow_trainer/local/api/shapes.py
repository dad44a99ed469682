"""Types of the fields that somebody here reads, checked before anybody does. All other fields are kept as they are."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.quantity import parse_quantity
from airflow_kubeflow_trainer.local.status import bad_request


class Quantity:
    """The type of an amount of a resource."""


_Shape = dict[str, Any]
"""Fields with their types: a type, a list of one type, or a shape; "*" is any field."""

_STRINGS: _Shape = {"*": str}
_KEYED = {"name": str}
_QUANTITIES: _Shape = {"*": Quantity}
_RESOURCES: _Shape = {"limits": _QUANTITIES, "requests": _QUANTITIES}
_METADATA: _Shape = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "uid": str,
    "resourceVersion": str,
    "labels": _STRINGS,
    "annotations": _STRINGS,
    "finalizers": [str],
    "ownerReferences": [{"uid": str, "name": str, "kind": str}],
}
_FILES: _Shape = {"items": [{"fieldRef": {}, "resourceFieldRef": {}}]}
_HANDLER: _Shape = {"httpGet": {}, "grpc": {}}
_CONTAINER: _Shape = {
    "name": str,
    "image": str,
    "command": [str],
    "args": [str],
    "workingDir": str,
    "env": [{"name": str, "value": str, "valueFrom": {"fieldRef": {}, "resourceFieldRef": {}}}],
    "envFrom": [{}],
    "volumeMounts": [{"name": str, "mountPath": str, "subPath": str}],
    "resources": _RESOURCES,
    "ports": [{}],
    "lifecycle": {"*": _HANDLER},
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), _HANDLER),
}
_CONTAINER_STATUS = {"name": str, "restartCount": int, "state": {"*": {"reason": str}}, "lastState": {"*": {}}}
_CONDITIONS = [{"type": str, "status": str}]
_POD_SPEC: _Shape = {
    "nodeName": str,
    "restartPolicy": str,
    "terminationGracePeriodSeconds": int,
    "activeDeadlineSeconds": int,
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [
        {
            **_KEYED,
            **{key: {} for key in ("secret", "configMap", "hostPath")},
            "emptyDir": {"sizeLimit": Quantity},
            "downwardAPI": _FILES,
            "projected": {"sources": [{"serviceAccountToken": {}, "downwardAPI": _FILES}]},
        }
    ],
    "schedulingGates": [_KEYED],
    "tolerations": [{"key": str, "effect": str}],
}
_POD_STATUS: _Shape = {
    "phase": str,
    "reason": str,
    "conditions": _CONDITIONS,
    "containerStatuses": [_CONTAINER_STATUS],
    "initContainerStatuses": [_CONTAINER_STATUS],
}
_NODE_STATUS: _Shape = {
    "capacity": _QUANTITIES,
    "allocatable": _QUANTITIES,
    "conditions": _CONDITIONS,
    "addresses": [{"type": str, "address": str}],
    "daemonEndpoints": {"kubeletEndpoint": {"Port": int}},
}
_CLAIM_SPEC = {"accessModes": [str], "resources": _RESOURCES, "volumeName": str}
_BY_PLURAL: dict[str, dict[str, Any]] = {
    "pods": {"spec": _POD_SPEC, "status": _POD_STATUS},
    "nodes": {"spec": {"taints": [{}], "unschedulable": bool}, "status": _NODE_STATUS},
    "persistentvolumeclaims": {"spec": _CLAIM_SPEC, "status": {"phase": str, "conditions": _CONDITIONS}},
    "namespaces": {"spec": {"finalizers": [str]}, "status": {"phase": str}},
    "secrets": {"data": _STRINGS, "stringData": _STRINGS, "type": str, "immutable": bool},
    "configmaps": {"data": _STRINGS, "binaryData": _STRINGS, "immutable": bool},
    "events": {"involvedObject": _STRINGS, "source": _STRINGS, "series": {}, "reason": str, "type": str},
    "trainjobs": {"status": {"conditions": _CONDITIONS, "jobsStatus": [{"name": str}]}},
}
_GO_TYPES = {str: "string", int: "int64", bool: "bool", dict: "map", list: "list"}
_NO_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def check_shape(resource: ApiResource, obj: dict[str, Any]) -> None:
    """Refuse an object in which a field has another type than Kubernetes gives it.

    :raises StatusError: 400, for the first such field.
    """
    common = {"metadata": _METADATA} if resource.custom else {"metadata": _METADATA, "spec": {}, "status": {}}
    for path, value, wanted in _mismatches(obj, {**common, **_BY_PLURAL.get(resource.plural, {})}, ()):
        kind = resource.kind
        words = _NO_QUANTITY if wanted is Quantity else _wrong_type(kind, path, value, wanted)
        raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {words}')


def _wrong_type(kind: str, path: tuple[str, ...], value: Any, wanted: type) -> str:
    field = ".".join((kind, *path))
    return f"json: cannot unmarshal {_found(value)} into Go struct field {field} of type {_GO_TYPES[wanted]}"


def _mismatches(value: Any, shape: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any, type]]:
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [(path, value, dict)]
        each = shape.get("*")
        fields = dict.fromkeys(value, each) if each is not None else shape
        # null is what is not there; but no value of a map.
        given = {key: value[key] for key in fields if key in value and (each is not None or value[key] is not None)}
        return [wrong for key, item in given.items() for wrong in _mismatches(item, fields[key], (*path, key))]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [(path, value, list)]
        return [wrong for item in value for wrong in _mismatches(item, shape[0], path)]
    return [] if _fits(value, shape) else [(path, value, shape)]


def _fits(value: Any, kind: type) -> bool:
    if kind is not Quantity:
        return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    try:
        parse_quantity(value)
    except ValueError:
        return False
    return True


def _found(value: Any) -> str:
    """Return what Go calls a JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
