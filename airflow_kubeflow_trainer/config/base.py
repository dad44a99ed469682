"""What all config models share: SDK names, clear messages, templates in any field, no secrets in a repr."""

from __future__ import annotations

import ast
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic._internal._model_construction import ModelMetaclass
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from airflow_kubeflow_trainer.config.markers import has_templates, is_template
from airflow_kubeflow_trainer.exceptions import ConfigError

RENDERED = {"rendered": True}
"""Validation context of a value whose templates have been rendered: braces in it now are just text."""


class _ConfigMeta(ModelMetaclass):
    """Construction as authors do it: by position too, like the SDK's dataclasses, and with our words for errors."""

    def __call__(cls, *args: Any, **data: Any) -> Any:
        model = cast("type[BaseModel]", cls)
        names = list(model.model_fields)
        if len(args) > len(names):
            raise ConfigError(f"{cls.__name__} takes {len(names)} values at most, not {len(args)}")
        try:
            return super().__call__(**dict(zip(names, args, strict=False)), **data)
        except ValidationError as error:
            raise ConfigError(explain(error, model, cls.__name__)) from None


class ConfigModel(BaseModel, metaclass=_ConfigMeta):
    """Base of all config models.

    A field may hold a Jinja template or an XComArg in place of its value; it is then checked after rendering.
    """

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        coerce_numbers_to_str=True,
        use_enum_values=False,
        validate_default=False,
        protected_namespaces=(),
        # A DAG pays for the models that it uses.
        defer_build=True,
        use_attribute_docstrings=True,
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _pass_templates(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[info.field_name].annotation if info.field_name else None
        if info.context == RENDERED:
            return handler(from_text(value, annotation))
        waits = _waits(value) or (has_templates(value) and not _takes_templates(annotation))
        return value if waits else handler(value)

    @classmethod
    def nested(cls, data: Any, info: ValidationInfo) -> Self:
        """Make a model inside another model's validator, where the class depends on the data."""
        try:
            return cls.model_validate(data, context=info.context)
        except ValidationError as error:
            raise PydanticCustomError(_NESTED, "{text}", {"text": explain(error, cls, "")}) from None

    def plain(self) -> dict[str, Any]:
        """Give the fields that were set, as plain data; templates and XComArgs stay where they are."""
        return {name: plain(getattr(self, name)) for name in type(self).model_fields if name in self.model_fields_set}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.plain().items())
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__

    @classmethod
    def parse(cls, value: Any, *, field: str, rendered: bool) -> Self:
        """Check plain data, another object with the same attributes, or a model.

        :param field: name to begin messages with.
        :param rendered: whether templates have been rendered; before that they are left alone.
        :raises ConfigError: naming each field that is wrong.
        """
        if isinstance(value, cls):
            value = value.plain()
        try:
            return cls.model_validate(attributes(value, field=field), context=RENDERED if rendered else None)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, field)) from None


def _waits(value: Any) -> bool:
    """Whether a value is a template, or a list whose items are not all known yet."""
    return is_template(value) or (isinstance(value, list | tuple | set) and any(map(is_template, value)))


def _takes_templates(annotation: Any) -> bool:
    """Whether a type lets templates through to where they stand: a model, which sees to its fields, or any value."""
    if isinstance(annotation, type) and issubclass(annotation, ConfigModel):
        return True
    return annotation is Any or any(map(_takes_templates, typing.get_args(annotation)))


def field_check(*fields: str) -> Callable[[Callable[[Any, Any], Any]], Any]:
    """Mark a function as the check of fields, run on values only: what is a template is checked once it is rendered."""

    def decorate(function: Callable[[Any, Any], Any]) -> Any:
        def check(cls: Any, value: Any) -> Any:
            return value if _waits(value) else function(cls, value)

        return field_validator(*fields, mode="after")(classmethod(functools.update_wrapper(check, function)))

    return decorate


def plain(value: Any) -> Any:
    """Turn a config value into what Airflow can store and render: dicts, lists, strings, numbers."""
    if isinstance(value, ConfigModel):
        return value.plain()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return value


def attributes(value: Any, *, field: str) -> dict[str, Any]:
    """Read any object that has a config's attributes: a mapping, a dataclass of the Kubeflow SDK, ...

    :raises ConfigError: it has none.
    """
    if isinstance(value, ConfigModel):
        return value.plain()
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, str | bytes | int | float | list | tuple | None) or not hasattr(value, "__dict__"):
        raise ConfigError(f"{field}: must be a config object or a dict, not {value!r}")
    # The SDK says "not set" by None.
    return {name: _foreign(item) for name, item in vars(value).items() if not name.startswith("_") and item is not None}


def _foreign(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_foreign(item) for item in value]
    if hasattr(value, "__dict__") and not isinstance(value, ConfigModel | type) and not is_template(value):
        return attributes(value, field=type(value).__name__)
    return value


def unpack(value: Any) -> Any:
    """Turn config objects, ours or foreign, into plain data, unchecked; lists of them too."""
    if isinstance(value, list | tuple):
        return [unpack(item) for item in value]
    return plain(_foreign(value))


def from_text(value: Any, annotation: Any) -> Any:
    """Read a structure that a template has rendered as text; text where text is wanted stays as it is."""
    if not isinstance(value, str) or str in _members(annotation):
        return value
    text = value.strip()
    if text in ("", "None", "null"):
        return None
    if text[0] not in "[{(":
        return text
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return value


def _members(annotation: Any) -> set[Any]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return {member for part in typing.get_args(annotation) for member in _members(part)}
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    return {annotation}


_NESTED = "nested"
"""Type of an error whose text names fields below its own."""


def explain(error: ValidationError, model: type[BaseModel], field: str) -> str:
    """Put pydantic's findings into our words: the field's full name, what is wrong, what would be right."""
    lines = [_explain_one(found, model, field) for found in error.errors(include_url=False)]
    return "\n".join(dict.fromkeys(lines))


def _explain_one(found: ErrorDetails, model: type[BaseModel], field: str) -> str:
    where = ".".join(str(part) for part in (field, *found["loc"]) if part != "" and not _is_internal(part))
    if found["type"] == _NESTED:
        return "\n".join(f"{where}.{line}" for line in found["msg"].splitlines())
    if found["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields) if len(found["loc"]) == 1 else ""
        return f"{where}: there is no such field" + (f"; known are: {known}" if known else "")
    message = found["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    prefix = f"{where}: " if where else ""
    if found["type"] == "value_error":
        return prefix + message
    if found["type"] == "missing":
        return f"{prefix}is missing"
    if found["loc"] and found["loc"][-1] == "secret_ref":
        # What stands here by mistake may well be the secret itself.
        return f'{prefix}must name a Secret: SecretRef("its-name"), or SecretRef("its-name", key="token")'
    return f"{prefix}{message[0].lower()}{message[1:]}, not {_shown(found['input'])}"


def _is_internal(part: int | str) -> bool:
    # Names of validators and of union members that pydantic puts between the fields' own.
    return isinstance(part, str) and ("[" in part or "(" in part or (part[:1].isupper() and part[1:2].islower()))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
