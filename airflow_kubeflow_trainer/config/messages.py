"""Pydantic's findings in our words: the field's full name, what is wrong, what would be right."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator
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


def about(field: str, text: str) -> PydanticCustomError:
    """Make the error of a field that is found where several are looked at together."""
    return PydanticCustomError(_NESTED, "{text}", {"text": f"{field}: {text}"})


def _explain_one(found: ErrorDetails, model: type[BaseModel], field: str) -> str:
    where = ".".join(str(part) for part in (field, *found["loc"]) if part != "")
    if found["type"] == _NESTED:
        return "\n".join(f"{where}.{line}" if where else line for line in found["msg"].splitlines())
    if found["type"] == "extra_forbidden":
        return f"{where}: there is no such field{_but_there_are(model, found['loc'])}"
    message = found["msg"]
    if found["type"] in _WORDS:
        message = _WORDS[found["type"]].format_map(found.get("ctx") or {})
    message = message.removeprefix("Value error, ").replace("Input should be", "must be", 1)
    prefix = f"{where}: " if where else ""
    if found["type"] in ("value_error", "missing", "string_too_short"):
        return prefix + message
    return f"{prefix}{message[0].lower()}{message[1:]}" + _but_was(found)


def _but_there_are(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Name the field that was meant, or all that there are."""
    owner: type[BaseModel] | None = model
    for part in loc[:-1]:
        owner = owner if owner is None or isinstance(part, int) else _model_of(owner, part)
    if owner is None:
        return ""
    written = str(loc[-1])
    near = difflib.get_close_matches(written, owner.model_fields, n=1, cutoff=0.7)
    return f"; did you mean {near[0]!r}?" if near else f"; known are: {', '.join(owner.model_fields)}"


def _model_of(owner: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Find the model that a field holds, or a list of it."""
    fields = owner.model_fields.items()
    kinds = (field.annotation for key, field in fields if name in (key, field.validation_alias))
    return next((model for kind in kinds for model in _models(kind)), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)


_WORDS = {
    "missing": "is missing",
    "model_type": "must be {class_name}(...) or a dict",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "dict_type": "must be a dict",
    "list_type": "must be a list",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "int_parsing": "must be an integer",
    "int_type": "must be an integer",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be True or False",
    "bool_type": "must be True or False",
    "too_long": "must have at most {max_length} items",
    "int_from_float": "must be an integer",
}


def _but_was(found: ErrorDetails) -> str:
    if not _SECRETIVE.isdisjoint(found["loc"]):
        return ""
    value: Any = found["input"]
    text = repr(value)
    return f", not {text if len(text) <= 80 else text[:77] + '...'}"
