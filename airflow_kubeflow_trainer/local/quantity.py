"""Kubernetes quantities: ``500m``, ``2``, ``1Gi``, ``1e3``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_UP, Decimal

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
    try:
        return Decimal(number + exponent) * _SUFFIXES[suffix]
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is too large for a Kubernetes quantity") from error


_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NANO = Decimal("1e9")
_LARGEST = Decimal(2**63 - 1)
"""What Kubernetes makes of all that is larger."""


def canonical_quantity(text: str | float) -> str:
    """Return a quantity as Kubernetes writes it: a whole number with the largest suffix of its own kind.

    ``0.5`` is ``500m``, ``1024Mi`` is ``1Gi``, ``1.5Gi`` is ``1536Mi``, ``1000m`` is ``1``.

    :raises ValueError: not a quantity.
    """
    value = max(-_LARGEST, min(parse_quantity(text), _LARGEST))
    written = str(text)
    if written.endswith("i") and abs(value) >= 1024 and value == int(value):
        return _scaled(int(value), 1024, _BINARY)
    # What is smaller than a billionth is rounded up.
    number, exponent = _shortened(int((value * _NANO).to_integral_value(ROUND_UP)))
    if re.search(r"[eE][+-]?\d", written):
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL[exponent]}"


def _scaled(number: int, base: int, suffixes: Sequence[str]) -> str:
    power = 0
    while number % base == 0 and power < len(suffixes) - 1:
        number, power = number // base, power + 1
    return f"{number}{suffixes[power]}"


def _shortened(billionths: int) -> tuple[int, int]:
    """Return the number without the zeros at its end, and ten's power for them, a multiple of three."""
    number, exponent = billionths, -9
    if not number:
        return 0, 0
    while number % 1000 == 0 and exponent < max(_DECIMAL):
        number, exponent = number // 1000, exponent + 3
    return number, exponent
