"""Resources of a training node, in the Kubeflow SDK's short forms or Kubernetes' own names."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from airflow_kubeflow_trainer.config.base import is_pending

_ALIASES = {"gpu": "nvidia.com/gpu", "storage": "ephemeral-storage"}
_PLAIN = {"cpu", "memory", "ephemeral-storage"}
_BYTES = {"memory", "ephemeral-storage"}
_FEWEST_BYTES = 2**20
_QUANTITY = re.compile(r"\+?(\d+(\.\d*)?|\.\d+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?\d+)?")
_SCALES = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


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
        if name in ("limits", "requests"):
            raise ValueError(
                f"{name!r} is no resource: requests and limits are the same here; write {{'gpu': 1, 'memory': '64Gi'}}"
            )
        raise ValueError(f"{name!r} is no resource; known are cpu, memory, gpu, storage, mig-*, or 'domain/name'")


def _check_quantity(name: str, quantity: Any) -> None:
    if isinstance(quantity, bool) or not _QUANTITY.fullmatch(str(quantity)):
        raise ValueError(f"{name}: {quantity!r} is no quantity; write a number, or text such as '500m' or '16Gi'")
    if resource_name(name) in _BYTES and amount(quantity) < _FEWEST_BYTES:
        raise ValueError(f"{name}: {quantity} is a number of bytes, too few to run in; write '{quantity}Gi'")
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


def amount(quantity: Any) -> int:
    """Count what a quantity stands for, rounded up: ``"1500m"`` CPUs are 2, ``"4"`` GPUs are 4.

    :raises ValueError: it is no quantity.
    """
    found = _QUANTITY.fullmatch(str(quantity))
    if found is None:
        raise ValueError(f"{quantity!r} is no quantity")
    suffix = found[3] or ""
    if suffix not in _SCALES:
        # An exponent.
        return math.ceil(Decimal(found[0]))
    return math.ceil(Decimal(found[0].removesuffix(suffix)) * _SCALES[suffix])


Resources = Annotated[dict[str, Any], AfterValidator(_check)]
"""Quantities by resource name, for example ``{"gpu": 1, "cpu": 8, "memory": "64Gi"}``."""
