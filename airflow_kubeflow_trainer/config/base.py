"""What all config models share: SDK names, clear messages, templates in any field, no secrets in a repr."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic._internal._model_construction import ModelMetaclass

from airflow_kubeflow_trainer.config import messages
from airflow_kubeflow_trainer.config.markers import has_templates, is_template
from airflow_kubeflow_trainer.config.plain import PlainData, attributes
from airflow_kubeflow_trainer.config.plain import plain as plain
from airflow_kubeflow_trainer.config.text import from_text, member_types
from airflow_kubeflow_trainer.exceptions import ConfigError

RENDERED = {"rendered": True}
"""Validation context of a value whose templates have been rendered: braces in it now are just text."""


def is_rendered(info: ValidationInfo[Any]) -> bool:
    """Whether templates have been rendered by now."""
    return bool(info.context == RENDERED)


def is_pending(value: Any, info: ValidationInfo[Any]) -> bool:
    """Whether a value is a template that is still to be rendered, or a list that holds one: not to be checked yet."""
    if is_rendered(info):
        return False
    return is_template(value) or (isinstance(value, list | tuple | set) and any(map(is_template, value)))


class _ConfigMeta(ModelMetaclass):
    """Construction as authors do it: by position too, like the SDK's dataclasses, and with our words for errors."""

    def __call__(cls, *args: Any, **data: Any) -> Any:
        model = cast("type[BaseModel]", cls)
        names = list(model.model_fields)
        if len(args) > len(names):
            raise ConfigError(f"{cls.__name__} takes {len(names)} values at most, not {len(args)}")
        by_position = dict(zip(names, args, strict=False))
        for name in by_position.keys() & data.keys():
            raise ConfigError(f"{cls.__name__}.{name}: is given twice, by position and by name")
        try:
            return super().__call__(**by_position, **data)
        except ValidationError as error:
            raise ConfigError(messages.explain(error, model, cls.__name__)) from None


class ConfigModel(PlainData, BaseModel, metaclass=_ConfigMeta):
    """Base of all config models.

    A field may hold a Jinja template or an XComArg in place of its value, and so may the items of its lists and dicts;
    they are checked after rendering. A template that renders to ``None`` leaves a field out.
    """

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        use_enum_values=False,
        validate_default=False,
        protected_namespaces=(),
        # A DAG pays for the models that it uses.
        defer_build=True,
        use_attribute_docstrings=True,
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _pass_templates(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[Any]) -> Any:
        annotation = cls.model_fields[info.field_name].annotation if info.field_name else None
        if not isinstance(value, PlainData):
            value = plain(value)
        if is_rendered(info):
            value = from_text(value, annotation)
        else:
            _refuse_templates_in_keys(value)
            if is_pending(value, info) or (has_templates(value) and not _takes_templates(annotation)):
                return value
        if isinstance(value, bool) and _is_number(annotation):
            raise ValueError(f"must be a number, not {value}")
        return handler(value)

    @classmethod
    def nested(cls, data: Any, info: ValidationInfo[Any]) -> Self:
        """Make a model inside another model's validator, where the class depends on the data."""
        try:
            return cls.model_validate(data, context=info.context)
        except ValidationError as error:
            raise messages.nested(error, cls) from None

    def model_post_init(self, _: Any, /) -> None:
        # The defaults of an author's own class are what he has set.
        self.__pydantic_fields_set__ |= _changed_defaults(type(self))

    def plain(self) -> dict[str, Any]:
        """Give the fields that were set, as plain data; templates and XComArgs stay where they are."""
        return {name: plain(value) for name, value in self._set_fields()}

    def _set_fields(self) -> Iterator[tuple[str, Any]]:
        # In the order of the class, so that equal models look alike.
        return ((name, getattr(self, name)) for name in type(self).model_fields if name in self.model_fields_set)

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        return [(name, _without_secrets(value) if name == "env" else value) for name, value in self._set_fields()]

    def __str__(self) -> str:
        return repr(self)

    @classmethod
    def parse(cls, value: Any, *, field: str, rendered: bool) -> Self:
        """Check plain data, another object with the same attributes, or a model.

        :param field: name to begin messages with.
        :param rendered: whether templates have been rendered; before that they are left alone.
        :raises ConfigError: naming each field that is wrong.
        """
        try:
            data = attributes(value, kind=f"{cls.__name__}(...)", field=field)
            return cls.model_validate(data, context=RENDERED if rendered else None)
        except ValidationError as error:
            raise ConfigError(messages.explain(error, cls, field)) from None


def field_check(*fields: str) -> Callable[[Callable[[Any, Any], Any]], Any]:
    """Mark a function as the check of fields, run on values only: what is a template is checked once it is rendered."""

    def decorate(function: Callable[[Any, Any], Any]) -> Any:
        def check(cls: Any, value: Any, info: ValidationInfo[Any]) -> Any:
            return value if is_pending(value, info) else function(cls, value)

        check.__name__, check.__qualname__ = function.__name__, function.__qualname__
        return field_validator(*fields, mode="after")(classmethod(check))

    return decorate


@functools.cache
def _changed_defaults(model: type[BaseModel]) -> frozenset[str]:
    """Name the fields to which a class outside of this package gives another default."""
    ours = next(kind for kind in model.__mro__ if kind.__module__.startswith(__name__.partition(".")[0]))
    theirs = getattr(ours, "model_fields", {})
    changed = (name for name, field in model.model_fields.items() if name in theirs and field is not theirs[name])
    return frozenset(name for name in changed if model.model_fields[name].default != theirs[name].default)


def _takes_templates(annotation: Any) -> bool:
    """Whether a type lets templates through to where they stand: a model, which sees to its fields, or any value."""
    if isinstance(annotation, type) and issubclass(annotation, ConfigModel):
        return True
    return annotation is Any or any(map(_takes_templates, typing.get_args(annotation)))


def _is_number(annotation: Any) -> bool:
    members = member_types(annotation)
    return bool(members & {int, float}) and bool not in members


def _refuse_templates_in_keys(value: Any) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if is_template(key):
                raise ValueError(f"{key!r} is a key, which Airflow does not render; make a template of the whole dict")
            _refuse_templates_in_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_templates_in_keys(item)


def _without_secrets(env: Any) -> Any:
    """Hide the literal values of environment variables; references to secrets may be shown."""
    if not isinstance(env, Mapping):
        return env
    return {name: "***" if isinstance(value, str) and not is_template(value) else value for name, value in env.items()}
