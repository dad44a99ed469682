"""Strategic merge patches of JobSet specs, as far as runtimePatches need them."""

from __future__ import annotations

import copy
from typing import Any

_MERGE_KEYS = {
    "replicatedJobs": "name",
    "dependsOn": "name",
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
    "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey",
    "hostAliases": "ip",
    "claims": "name",
}
"""The lists that are merged, and by which key; all other lists are replaced."""


def merge(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the original with the patch merged into it; neither is changed."""
    merged = copy.deepcopy(original)
    for field, value in patch.items():
        before = merged.get(field)
        if value is None:
            merged.pop(field, None)
        elif isinstance(value, dict) and isinstance(before, dict):
            merged[field] = merge(before, value)
        elif isinstance(value, list) and isinstance(before, list) and field in _MERGE_KEYS:
            merged[field] = _merge_lists(before, value, _MERGE_KEYS[field])
        else:
            merged[field] = copy.deepcopy(value)
    return merged


def _merge_lists(original: list[dict[str, Any]], patch: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    order = [item.get(key) for item in original]
    by_key = {item.get(key): item for item in original}
    patched = [merge(by_key.get(item.get(key), {}), item) for item in patch]
    touched = {item.get(key) for item in patch}
    return _interleave([item for item in original if item.get(key) not in touched], patched, order, key)


def _interleave(
    untouched: list[dict[str, Any]],
    patched: list[dict[str, Any]],
    order: list[Any],
    key: str,
) -> list[dict[str, Any]]:
    """Keep the original's order among its items; what the patch adds comes before what follows."""
    left, right = list(untouched), list(patched)
    result = []
    while left and right:
        known = right[0].get(key) in order
        left_first = known and order.index(left[0].get(key)) < order.index(right[0].get(key))
        result.append((left if left_first else right).pop(0))
    return result + left + right
