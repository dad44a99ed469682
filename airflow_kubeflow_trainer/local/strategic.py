"""Kubernetes' strategic merge patch: lists of objects are merged by a key where the API says so."""

from __future__ import annotations

import copy
from typing import Any

from airflow_kubeflow_trainer.local.status import bad_request

_MERGE_KEYS = {
    "addresses": "type",
    "claims": "name",
    "conditions": "type",
    "containers": "name",
    "dependsOn": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "hostIPs": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "replicatedJobs": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""The lists of core objects and JobSets that are merged, and by which field; all others are replaced."""
_PORT_KEYS = ("containerPort", "port")
_MERGED_VALUES = ("finalizers",)
_DELETE_VALUES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_LIST_DIRECTIVES = (_DELETE_VALUES, _ORDER, "$retainKeys")


def strategic_merge(target: Any, patch: Any) -> Any:
    """Return a core object or a JobSet with a strategic merge patch applied; neither is changed.

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
    before = target if isinstance(target, dict) and directive == "merge" else {}
    merged = dict(before)
    for key, value in plain.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _merge_list(key, _list(merged.get(key)), value)
        else:
            merged[key] = strategic_merge(merged.get(key), value)
    return _with_list_directives(merged, before, patch)


def _with_list_directives(merged: dict[str, Any], before: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    for directive, values in patch.items():
        if directive.startswith(_LIST_DIRECTIVES) and not isinstance(values, list):
            raise bad_request(f"{directive}: its value must be a list")
        if directive.startswith(_DELETE_VALUES):
            key = directive.removeprefix(_DELETE_VALUES)
            merged[key] = [value for value in _list(merged.get(key)) if value not in values]
        elif directive.startswith(_ORDER):
            key = directive.removeprefix(_ORDER)
            if key in merged:
                merged[key] = _ordered(key, _list(merged[key]), wanted=values, before=_list(before.get(key)))
        elif directive == "$retainKeys":
            merged = {key: value for key, value in merged.items() if key in values}
    return merged


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _merge_list(field: str, present: list[Any], patch: list[Any]) -> list[Any]:
    if field in _MERGED_VALUES:
        together = [*present, *(value for value in patch if value not in present)]
        return _ordered(field, together, wanted=patch, before=present)
    if any(_directive(item) == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if _directive(item) != "replace"]
    key = _merge_key(field, [*patch, *present])
    if key is None or any(_identity(item, key) is None for item in present):
        return copy.deepcopy(patch)
    merged = {_identity(item, key): item for item in present}
    for item in patch:
        identity = _identity(item, key)
        if identity is None:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        if _directive(item) == "delete":
            merged.pop(identity, None)
        else:
            merged[identity] = strategic_merge(merged.get(identity), item)
    return _ordered(field, list(merged.values()), wanted=patch, before=present)


def _merge_key(field: str, items: list[Any]) -> str | None:
    if not all(isinstance(item, dict) for item in items):
        return None
    if field == "ports":
        return next((key for key in _PORT_KEYS if any(key in item for item in items)), None)
    return _MERGE_KEYS.get(field)


def _ordered(field: str, items: list[Any], *, wanted: list[Any], before: list[Any]) -> list[Any]:
    """Bring what the patch names into its order and leave the rest in the one of before.

    Between the two, what the patch names comes first wherever the old order says nothing else.
    """
    key = _merge_key(field, items)
    new, old = _places(wanted, key), _places(before, key)
    named = sorted((item for item in items if _identity(item, key) in new), key=lambda item: new[_identity(item, key)])
    rest = [item for item in items if _identity(item, key) not in new]
    result = []
    while named and rest:
        there, here = old.get(_identity(named[0], key)), old.get(_identity(rest[0], key))
        rest_first = there is not None and here is not None and here < there
        result.append((rest if rest_first else named).pop(0))
    return [*result, *named, *rest]


def _places(items: list[Any], key: str | None) -> dict[str | int | None, int]:
    return {_identity(item, key): place for place, item in enumerate(items)}


def _identity(item: Any, key: str | None) -> str | int | None:
    """Return what tells an element from the others: its merge key's value, or itself; None where that is neither."""
    value = item.get(key) if key is not None and isinstance(item, dict) else item
    return value if isinstance(value, str | int) else None


def _directive(item: Any) -> Any:
    return item.get("$patch") if isinstance(item, dict) else None
