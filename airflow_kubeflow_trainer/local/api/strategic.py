"""Strategic merge patch: lists of named things merge by their key instead of being replaced."""

from __future__ import annotations

from typing import Any

_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "podIPs": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "ownerReferences": ("uid",),
    "addresses": ("type",),
    "schedulingGates": ("name",),
    "resourceClaims": ("name",),
    "claims": ("name",),
    # A container's ports, or a Service's.
    "ports": ("containerPort", "port"),
}
"""Keys by which lists merge, by the list's field name. Kubernetes replaces all other lists, also containerStatuses."""

_SETS = ("finalizers",)
"""Lists of plain values to which a patch adds."""

_PATCH, _RETAIN_KEYS = "$patch", "$retainKeys"
_DELETE_FROM, _SET_ORDER = "$deleteFromPrimitiveList/", "$setElementOrder/"


def strategic_merge(target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    """Return an object with a strategic merge patch applied; the object itself stays as it is."""
    if patch.get(_PATCH) == "delete":
        return {}
    if patch.get(_PATCH) == "replace":
        return _plain_object(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    retained = patch.get(_RETAIN_KEYS)
    if retained is not None:
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key in (_PATCH, _RETAIN_KEYS) or key.startswith(_SET_ORDER):
            continue
        if key.startswith(_DELETE_FROM):
            field = key.removeprefix(_DELETE_FROM)
            merged[field] = [item for item in merged.get(field) or [] if item not in value]
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(key, merged.get(key), value)
    return merged


def _merge_value(field: str, target: Any, patch: Any) -> Any:
    if isinstance(patch, dict):
        return strategic_merge(target, patch)
    if not isinstance(patch, list):
        return patch
    if field in _SETS:
        return [*(target or []), *(item for item in patch if item not in (target or []))]
    key = _merge_key(field, patch)
    return _plain(patch) if key is None else _merge_list(target or [], patch, key)


def _merge_key(field: str, patch: list[Any]) -> str | None:
    items = [item for item in patch if isinstance(item, dict) and set(item) != {_PATCH}]
    for key in _MERGE_KEYS.get(field, ()):
        if len(items) > 0 and all(key in item for item in items):
            return key
    return None


def _merge_list(target: list[Any], patch: list[dict[str, Any]], key: str) -> list[Any]:
    if {_PATCH: "replace"} in patch:
        return [_plain(item) for item in patch if item != {_PATCH: "replace"}]
    merged = list(target)
    for item in patch:
        position = next((at for at, old in enumerate(merged) if old.get(key) == item[key]), None)
        if item.get(_PATCH) == "delete":
            merged = [old for old in merged if old.get(key) != item[key]]
        elif position is None:
            merged.append(strategic_merge({}, item))
        else:
            merged[position] = strategic_merge(merged[position], item)
    return merged


def _plain(value: Any) -> Any:
    """Drop the nulls and directives that mean something to a merge only."""
    if isinstance(value, dict):
        return _plain_object(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _plain_object(value: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(item) for key, item in value.items() if item is not None and not key.startswith("$")}
