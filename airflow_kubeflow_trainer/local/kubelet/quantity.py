"""Kubernetes quantities: ``500m``, ``2``, ``1Gi``, ``1e3``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]{0,2})")


def parse_quantity(text: str | float) -> Decimal:
    """Return a quantity as a number of its base unit (cores, bytes, pieces).

    :raises ValueError: not a quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match[2] not in _SUFFIXES:
        raise ValueError(f"{text!r} is not a Kubernetes quantity such as 500m, 2 or 1Gi")
    return Decimal(match[1]) * _SUFFIXES[match[2]]


def container_requests(container: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return what a container asks for; a resource that has only a limit asks for its limit."""
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: parse_quantity(value) for name, value in asked.items()}


def pod_requests(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return what a pod asks for: its containers together, or its greediest init container where that is more."""
    together = _sum(container_requests(container) for container in spec.get("containers") or [])
    for container in spec.get("initContainers") or []:
        for name, value in container_requests(container).items():
            together[name] = max(together.get(name, Decimal(0)), value)
    return together


def _sum(requests: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for request in requests:
        for name, value in request.items():
            total[name] = total.get(name, Decimal(0)) + value
    return total
