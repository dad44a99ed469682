"""Kubernetes quantities, as far as Trainer counts them."""

from __future__ import annotations

import math
from typing import Any

from airflow_kubeflow_trainer.local.quantity import parse_quantity


def whole(quantity: str | float) -> int:
    """Return a quantity as a whole number, rounded up: ``500m`` is 1.

    :raises ValueError: it is not a quantity.
    """
    return math.ceil(parse_quantity(quantity))


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
