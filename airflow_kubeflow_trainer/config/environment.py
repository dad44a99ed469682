"""Environment variables of a container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from airflow_kubeflow_trainer.config.base import is_pending, is_rendered
from airflow_kubeflow_trainer.config.kubernetes import MAX_ARGUMENTS, checked
from airflow_kubeflow_trainer.config.markers import is_template
from airflow_kubeflow_trainer.config.secrets import SecretRef

RESERVED = ("PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT")
"""What Trainer sets itself and its admission refuses (trainer v2.3, pkg/constants)."""

_NAME = re.compile(r"[ -<>-~]+")
"""What Kubernetes lets be one since 1.32: printable ASCII without ``=``."""


_SOURCES = {"secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"}


def _from_list(value: Any) -> Any:
    """Accept Kubernetes' own list form too."""
    if not isinstance(value, list):
        return value
    if not all(isinstance(entry, Mapping) and "name" in entry for entry in value):
        raise ValueError("must be a dict of values by name, or Kubernetes' list of {'name': ..., 'value': ...}")
    names = [entry["name"] for entry in value]
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"a variable's name must be text, not {name!r}")
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice")
    return {
        entry["name"]: {"valueFrom": entry["valueFrom"]} if "valueFrom" in entry else entry.get("value", "")
        for entry in value
    }


def _check(env: dict[str, Any], info: ValidationInfo[Any]) -> dict[str, Any]:
    # One more is our own.
    if len(env) >= MAX_ARGUMENTS:
        raise ValueError(f"holds {len(env)} variables, and a TrainJob takes {MAX_ARGUMENTS - 1}")
    for name in env:
        _check_name(name)
    return {name: value if is_pending(value, info) else _variable(name, value, info) for name, value in env.items()}


def _check_name(name: str) -> None:
    if name in RESERVED:
        raise ValueError(f"{name} is set by Trainer itself; use num_nodes, num_proc_per_node and resources_per_node")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for an environment variable: ASCII that can be printed, without '='")


def _variable(name: str, value: Any, info: ValidationInfo[Any]) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise ValueError(f"{name}: an environment variable is text: write {str(value).lower()!r} or {str(value)!r}")
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping) and "valueFrom" in value:
        return _from_source(name, value, info)
    if not isinstance(value, Mapping | SecretRef):
        raise ValueError(f"{name}: must be text, SecretRef(name, key=...) or {{'valueFrom': ...}}")
    secret = SecretRef.parse(value, field=name, rendered=is_rendered(info))
    if secret.key is None:
        raise ValueError(
            f"{name}: SecretRef needs the key whose value it shall have: SecretRef({secret.name!r}, key=...)"
        )
    return secret


def _from_source(name: str, value: Mapping[str, Any], info: ValidationInfo[Any]) -> dict[str, Any]:
    source = value["valueFrom"]
    known = is_template(source) or (isinstance(source, Mapping) and len(source) == 1 and source.keys() <= _SOURCES)
    if set(value) != {"valueFrom"} or not known:
        raise ValueError(f"{name}: valueFrom must stand alone and have one of {', '.join(sorted(_SOURCES))}")
    return {"valueFrom": source if is_template(source) else checked(dict(source), "valueFrom", info)}


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
