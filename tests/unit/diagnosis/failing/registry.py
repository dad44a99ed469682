"""The failures that can be brought about here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FAILURES: dict[str, dict[str, Callable[[], Any]]] = {"torch": {}, "torchrun": {}, "hub": {}, "python": {}}
"""By what they need, then by the name of the catalogue's entry; ``name/variant`` for a second one of the same."""


def failure(group: str, name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def register(function: Callable[[], Any]) -> Callable[[], Any]:
        FAILURES[group][name] = function
        return function

    return register
