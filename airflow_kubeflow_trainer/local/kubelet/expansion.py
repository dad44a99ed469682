"""``$(VAR)`` in environment values, command and args."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|\((?P<name>[^)]*)\)|[^(])", re.DOTALL)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by the variable and ``$$`` by ``$``; a reference to an unknown variable stays as it is."""

    def replacement(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["name"] is not None:
            return variables.get(match["name"], match[0])
        return match[0]

    return _REFERENCE.sub(replacement, text)
