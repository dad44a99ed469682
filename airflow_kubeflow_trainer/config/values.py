"""Values of any type: TorchTune's overrides, and the arguments of its components and data sets.

Elsewhere a field's type says how to read the text that a template renders to. Here the template is marked, so that its
outcome is known from text that the author has written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from airflow_kubeflow_trainer.config.base import is_pending, is_rendered
from airflow_kubeflow_trainer.config.markers import is_literal, is_reference, is_template
from airflow_kubeflow_trainer.config.text import from_untyped

_RENDERS_TO = "$template"
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
COMPONENT = "_component_"
"""TorchTune's key for what is to be built."""

COMPONENTS = (
    "model", "tokenizer", "checkpointer", "dataset", "optimizer", "lr_scheduler", "loss", "metric_logger", "profiler",
)  # fmt: skip
"""Keys whose plain value means ``key._component_``."""


def settings(value: Any, info: ValidationInfo[Any]) -> Any:
    """Check a dict of settings: text, numbers, truth values, None, lists and dicts."""
    if is_pending(value, info) or not isinstance(value, Mapping):
        return value
    return {key: _value(item, str(key), rendered=is_rendered(info)) for key, item in value.items()}


def _value(value: Any, path: str, *, rendered: bool) -> Any:
    if isinstance(value, Mapping):
        if renders_later(value):
            return _outcome(value[_RENDERS_TO], path) if rendered else dict(value)
        return {_text_key(key, path): _value(item, f"{path}.{key}", rendered=rendered) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, f"{path}.{index}", rendered=rendered) for index, item in enumerate(value)]
    if not rendered and is_template(value):
        return value if is_reference(value) or is_literal(value) else {_RENDERS_TO: value}
    return _scalar(value, path)


def renders_later(value: Any) -> bool:
    """Whether a value is the mark of a template that is still to be rendered."""
    return isinstance(value, Mapping) and set(value) == {_RENDERS_TO}


def _outcome(value: Any, path: str) -> Any:
    read = from_untyped(value) if isinstance(value, str) else value
    return _value(read, path, rendered=True)


def _scalar(value: Any, path: str) -> Any:
    if isinstance(value, Enum):
        return value.value
    number = getattr(value, "item", None)
    if callable(number) and not hasattr(value, "__len__"):
        # A number of NumPy's.
        value = number()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(
        f"{path}: must be text, a number, True, False, None, a list or a dict, not a {type(value).__qualname__}; "
        "write it as one of these, for example str(...)"
    )


def _text_key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{path}: the key {key!r} must be text")
    return key


def component(value: Any, info: ValidationInfo[Any]) -> Any:
    """Check what names a component of TorchTune: dotted, alone or as ``_component_`` beside its arguments."""
    if is_pending(value, info) or value is None:
        return value
    if is_rendered(info) and isinstance(value, str) and value.strip().startswith("{"):
        value = from_untyped(value)
    if isinstance(value, Mapping):
        checked = settings(value, info)
        name = checked.get(COMPONENT)
        if isinstance(name, str):
            dotted(name)
        return checked
    if not isinstance(value, str):
        raise ValueError(f"must be a dotted name, or a dict with {COMPONENT!r} and its arguments, not {value!r}")
    return dotted(value)


def dotted(value: str, *, example: str = "torch.optim.AdamW") -> str:
    """Check the name of something that TorchTune imports."""
    if not _DOTTED.fullmatch(value):
        raise ValueError(f"{value!r} must be a dotted name, such as {example!r}: TorchTune imports it")
    return value


Settings = Annotated[dict[str, Any], BeforeValidator(settings)]
Component = Annotated[str | dict[str, Any], BeforeValidator(component)]
