"""Resources of a training node, in the Kubeflow SDK's short forms or Kubernetes' own names."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from airflow_kubeflow_trainer.config.base import is_pending

_ALIASES = {"gpu": "nvidia.com/gpu", "storage": "ephemeral-storage"}
_PLAIN = {"cpu", "memory", "ephemeral-storage"}
_QUANTITY = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?\d+)?")


def _check(resources: dict[str, Any], info: ValidationInfo[Any]) -> dict[str, Any]:
    for name, quantity in resources.items():
        _check_name(name)
        if not is_pending(quantity, info):
            _check_quantity(name, quantity)
    _check_names([resource_name(name) for name in resources])
    return resources


def _check_name(name: str) -> None:
    full = resource_name(name)
    if "/" not in full and full not in _PLAIN and not full.startswith("hugepages-"):
        raise ValueError(f"{name!r} is no resource; known are cpu, memory, gpu, storage, mig-*, or 'domain/name'")


def _check_quantity(name: str, quantity: Any) -> None:
    if isinstance(quantity, bool) or not _QUANTITY.fullmatch(str(quantity)):
        raise ValueError(f"{name}: {quantity!r} is no quantity; write a number, or text such as '500m' or '16Gi'")
    if "/" in resource_name(name) and not str(quantity).isdecimal():
        raise ValueError(f"{name}: {quantity!r} must be a whole number: devices are not shared out")


def _check_names(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice, under its short name and its own")
    mig = [name for name in names if name.startswith("nvidia.com/mig-")]
    if len(mig) > 1 or (mig and "nvidia.com/gpu" in names):
        raise ValueError(f"{', '.join(names)}: one kind of GPU or MIG slice at a time")


def resource_name(name: str) -> str:
    """Give Kubernetes' name of a resource: ``gpu`` is ``nvidia.com/gpu``, ``mig-X`` is ``nvidia.com/mig-X``."""
    lower = name.lower()
    if lower.startswith("mig-"):
        return f"nvidia.com/{lower}"
    return _ALIASES.get(lower, lower if lower in _PLAIN else name)


def resource_requirements(resources: dict[str, Any]) -> dict[str, Any]:
    """Make Kubernetes' resources of them: requests and limits are the same, as in the SDK."""
    quantities = {resource_name(name): str(quantity) for name, quantity in resources.items()}
    return {"limits": dict(quantities), "requests": dict(quantities)}


Resources = Annotated[dict[str, Any], AfterValidator(_check)]
"""Quantities by resource name, for example ``{"gpu": 1, "cpu": 8, "memory": "64Gi"}``."""
