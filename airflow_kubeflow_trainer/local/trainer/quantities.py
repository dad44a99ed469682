"""Kubernetes quantities, as far as Trainer counts them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}


def whole(quantity: str | float) -> int:
    """Return a quantity as a whole number, rounded up: ``500m`` is 1.

    :raises ValueError: it is not a quantity.
    """
    match = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(|[numkMGTPE]|[KMGTPE]i)", str(quantity))
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity such as 2, 500m or 4Gi")
    return math.ceil(Decimal(match[1]) * _SUFFIXES[match[2]])


def canonical(resources: dict[str, Any]) -> dict[str, Any]:
    """Return container resources as the API server stores them: quantities as strings, a request for every limit."""
    canonical = {**resources}
    for kind in ("limits", "requests"):
        if resources.get(kind):
            canonical[kind] = {name: str(quantity) for name, quantity in sorted(resources[kind].items())}
    if canonical.get("limits"):
        canonical["requests"] = {**canonical["limits"], **canonical.get("requests", {})}
    return canonical


def gpus(resources: dict[str, Any]) -> int:
    """Count the GPUs of one node: those requested, or else the limit."""
    return _gpus(resources.get("requests") or {}) or _gpus(resources.get("limits") or {})


def cpus(resources: dict[str, Any]) -> int:
    """Count the CPUs of one node: those requested, or else the limit; 0 where neither is said."""
    requested = whole((resources.get("requests") or {}).get("cpu", 0))
    return requested or whole((resources.get("limits") or {}).get("cpu", 0))


def _gpus(amounts: dict[str, Any]) -> int:
    return next(
        (whole(amount) for name, amount in sorted(amounts.items()) if "gpu" in name.lower()),
        0,
    )
