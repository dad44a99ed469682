"""Lists of a container whose items are told apart by a key, as Trainer upserts them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Container = dict[str, Any]


def upsert_env(container: Container, variables: list[dict[str, Any]]) -> None:
    """Replace the variables that the container has by name, in their place, and append the others."""
    env = container.setdefault("env", [])
    for variable in variables:
        _upsert(env, copy.deepcopy(variable), lambda a, b: a["name"] == b["name"])
    if not env:
        del container["env"]


def upsert_port(container: Container, port: dict[str, Any]) -> None:
    def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
        # Trainer takes two ports without a name for the same port.
        return bool(a["containerPort"] == b["containerPort"] or a.get("name") == b.get("name"))

    _upsert(container.setdefault("ports", []), port, same)


def env_variable(variable: dict[str, Any]) -> dict[str, Any]:
    """Return a TrainJob's variable as Trainer copies it: ``valueFrom`` wins over ``value``."""
    if variable.get("valueFrom") is not None:
        return {"name": variable["name"], "valueFrom": variable["valueFrom"]}
    return {"name": variable["name"], "value": variable.get("value", "")}


def field_variable(name: str, field_path: str) -> dict[str, Any]:
    """Return a variable that is read from the pod's own metadata."""
    return {
        "name": name,
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field_path}},
    }


def _upsert(
    items: list[dict[str, Any]], item: dict[str, Any], same: Callable[[dict[str, Any], dict[str, Any]], bool]
) -> None:
    for i, existing in enumerate(items):
        if same(existing, item):
            items[i] = item
            return
    items.append(item)
