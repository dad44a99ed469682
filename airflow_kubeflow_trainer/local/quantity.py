"""Kubernetes quantities: ``500m``, ``2``, ``1Gi``, ``1e3``."""

from __future__ import annotations

import re
from decimal import Decimal

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]?|[KMGTPE]i))", re.ASCII)


def parse_quantity(text: str | float) -> Decimal:
    """Return a quantity as a number of its base unit (cores, bytes, pieces).

    :raises ValueError: not a quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity such as 500m, 2 or 1Gi")
    number, exponent, suffix = match.groups(default="")
    return Decimal(number + exponent) * _SUFFIXES[suffix]
