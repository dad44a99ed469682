"""Environment variables of a container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from airflow_kubeflow_trainer.config.markers import is_template
from airflow_kubeflow_trainer.config.secrets import SecretRef

RESERVED = ("PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT")
"""What Trainer sets itself and its admission refuses (trainer v2.3, pkg/constants)."""

_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def _from_list(value: Any) -> Any:
    """Accept Kubernetes' own list form too."""
    if isinstance(value, list) and all(isinstance(entry, Mapping) and "name" in entry for entry in value):
        return {entry["name"]: entry.get("value", {"valueFrom": entry.get("valueFrom")}) for entry in value}
    return value


def _check(env: dict[str, Any]) -> dict[str, Any]:
    return {_checked_name(name): _checked_value(name, value) for name, value in env.items()}


def _checked_name(name: str) -> str:
    if is_template(name):
        return name
    if name in RESERVED:
        raise ValueError(f"{name} is set by Trainer itself; use num_nodes, num_proc_per_node and resources_per_node")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for an environment variable")
    return name


def _checked_value(name: str, value: Any) -> Any:
    if is_template(value) or isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise ValueError(f"{name}: an environment variable is text: write {str(value).lower()!r} or {str(value)!r}")
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping) and "valueFrom" in value:
        return dict(value)
    secret = SecretRef.parse(value, field=name, rendered=False)
    if secret.key is None:
        raise ValueError(
            f"{name}: SecretRef needs the key whose value it shall have: SecretRef({secret.name!r}, key=...)"
        )
    return secret


Environment = Annotated[dict[str, Any], BeforeValidator(_from_list), AfterValidator(_check)]
"""Variables by name: text, numbers, ``SecretRef(name, key=...)``, or Kubernetes' ``{"valueFrom": ...}``."""


def env_entries(env: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Turn variables into Kubernetes' list, in the order given."""
    entries = []
    for name, value in env.items():
        if isinstance(value, SecretRef):
            entries.append(value.env(name))
        elif isinstance(value, Mapping):
            entries.append({"name": name, **value})
        else:
            entries.append({"name": name, "value": value})
    return entries
