"""Kubernetes' strategic merge patch: lists of objects are merged by a key where the API says so."""

from __future__ import annotations

import copy
from typing import Any

from airflow_kubeflow_trainer.local.status import bad_request

_MERGE_KEYS = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "hostIPs": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""The lists of the served core objects that are merged, and by which field; all others are replaced."""
_PORT_KEYS = ("containerPort", "port")
_MERGED_VALUES = ("finalizers",)
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(target: Any, patch: Any) -> Any:
    """Return a core object with a strategic merge patch applied; neither is changed.

    :raises StatusError: 400, a list's element lacks the key that it is merged by, or a directive is unknown.
    """
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    directive = patch.get("$patch", "merge")
    if directive not in ("merge", "replace", "delete"):
        raise bad_request(f"Unknown patch type found: {directive}")
    plain = {key: value for key, value in patch.items() if not key.startswith("$")}
    if directive == "delete":
        return {}
    merged = dict(target) if isinstance(target, dict) and directive == "merge" else {}
    for key, value in plain.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _merge_list(key, merged.get(key) or [], value)
        else:
            merged[key] = strategic_merge(merged.get(key), value)
    return _with_list_directives(merged, patch)


def _with_list_directives(merged: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    for directive, values in patch.items():
        if directive.startswith(_DELETE_VALUES):
            key = directive.removeprefix(_DELETE_VALUES)
            merged[key] = [value for value in merged.get(key) or [] if value not in values]
        elif directive.startswith(_ORDER):
            key = directive.removeprefix(_ORDER)
            if key in merged:
                merged[key] = _ordered(key, merged[key], values)
        elif directive == "$retainKeys":
            merged = {key: value for key, value in merged.items() if key in values}
    return merged


def _merge_list(field: str, present: list[Any], patch: list[Any]) -> list[Any]:
    if field in _MERGED_VALUES:
        return [*present, *(value for value in patch if value not in present)]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if item.get("$patch") != "replace"]
    key = _merge_key(field, [*patch, *present])
    if key is None:
        return copy.deepcopy(patch)
    merged = {item.get(key): item for item in present}
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        if item.get("$patch") == "delete":
            merged.pop(item[key], None)
        else:
            merged[item[key]] = strategic_merge(merged.get(item[key]), item)
    return list(merged.values())


def _merge_key(field: str, items: list[Any]) -> str | None:
    if not all(isinstance(item, dict) for item in items):
        return None
    if field == "ports":
        return next((key for key in _PORT_KEYS if any(key in item for item in items)), None)
    return _MERGE_KEYS.get(field)


def _ordered(field: str, items: list[Any], order: list[Any]) -> list[Any]:
    key = _merge_key(field, items)
    places = {(item[key] if key is not None else item): i for i, item in enumerate(order)}
    return sorted(items, key=lambda item: places.get(item.get(key) if key is not None else item, len(places)))
