"""Pydantic's findings in our words: the field's full name, what is wrong, what would be right."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

_NESTED = "nested"
"""Type of an error whose text names fields below its own."""

_SECRETIVE = {"env", "secret_ref"}
"""Fields whose values no message shows: somebody may have put a secret there."""


def explain(error: ValidationError, model: type[BaseModel], field: str) -> str:
    """Give a line for each field that is wrong.

    :param field: what the names of fields begin with.
    """
    lines = [_explain_one(found, model, field) for found in error.errors(include_url=False)]
    return "\n".join(dict.fromkeys(lines))


def nested(error: ValidationError, model: type[BaseModel]) -> PydanticCustomError:
    """Pass an error on from within a validator, so that :func:`explain` names the fields in full."""
    return PydanticCustomError(_NESTED, "{text}", {"text": explain(error, model, "")})


def _explain_one(found: ErrorDetails, model: type[BaseModel], field: str) -> str:
    where = ".".join(str(part) for part in (field, *found["loc"]) if part != "")
    if found["type"] == _NESTED:
        return "\n".join(f"{where}.{line}" for line in found["msg"].splitlines())
    if found["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields) if len(found["loc"]) == 1 else ""
        return f"{where}: there is no such field" + (f"; known are: {known}" if known else "")
    message = found["msg"]
    if found["type"] in _WORDS:
        message = _WORDS[found["type"]].format_map(found.get("ctx") or {})
    message = message.removeprefix("Value error, ").replace("Input should be", "must be", 1)
    prefix = f"{where}: " if where else ""
    if found["type"] in ("value_error", "missing"):
        return prefix + message
    return f"{prefix}{message[0].lower()}{message[1:]}" + _but_was(found)


_WORDS = {
    "missing": "is missing",
    "model_type": "must be a {class_name} or a dict",
    "dict_type": "must be a dict",
    "list_type": "must be a list",
    "string_type": "must be text",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "string_pattern_mismatch": "must match the pattern {pattern}",
}


def _but_was(found: ErrorDetails) -> str:
    if not _SECRETIVE.isdisjoint(found["loc"]):
        return ""
    value: Any = found["input"]
    text = repr(value)
    return f", not {text if len(text) <= 80 else text[:77] + '...'}"
