"""Reading the text that templates render to."""

from __future__ import annotations

import ast
import json
import re
import types
import typing
from typing import Any

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}


def from_text(value: Any, annotation: Any) -> Any:
    """Read text as what a field of this type wants, as far as it is not text that it wants.

    ``None`` is None in every field that may be left out.
    """
    if not isinstance(value, str):
        return value
    members = member_types(annotation)
    if str in members:
        return None if value == "None" and type(None) in members else value
    text = value.strip()
    if text in ("None", "null"):
        return None
    return _structure(text) if text.startswith(("[", "{", "(")) else text


def from_untyped(text: str) -> Any:
    """Read text for a place that takes values of any type.

    What is written as a number, truth value, None, list, dict or quoted text, in Python or JSON, is that; anything else
    is text: ``2026-01-01``, ``0123``, ``yes``.
    """
    stripped = text.strip()
    if stripped in _WORDS:
        return _WORDS[stripped]
    if _INTEGER.fullmatch(stripped):
        return int(stripped)
    if _FLOAT.fullmatch(stripped):
        return float(stripped)
    if stripped.startswith(("[", "{", "(", "'", '"')):
        found = _structure(stripped)
        return text if found is stripped else found
    return text


def member_types(annotation: Any) -> set[Any]:
    """Give the types that an annotation allows."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return {member for part in typing.get_args(annotation) for member in member_types(part)}
    if origin is typing.Annotated:
        return member_types(typing.get_args(annotation)[0])
    return {annotation}


def _structure(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text
