"""What containers and pods ask of their node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from airflow_kubeflow_trainer.local.quantity import parse_quantity


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
