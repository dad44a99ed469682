"""Values of any type: TorchTune's overrides, and the arguments of its components and data sets.

Elsewhere a field's type says how to read the text that a template renders to. Here the template is marked, so that its
outcome is known from text that the author has written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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

_NO_COMPONENT = f"must be a dotted name, or a dict with {COMPONENT!r} and its arguments"

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


def spelt_out(overrides: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give overrides by TorchTune's own keys: what a dict says of a component stands under keys of its own."""
    for key, value in overrides.items():
        parted = isinstance(value, Mapping) and value and not renders_later(value)
        if parted and (key in COMPONENTS or COMPONENT in value):
            # As one value it would land in `key._component_`.
            yield from spelt_out({f"{key}.{part}": item for part, item in value.items()})
        else:
            yield key, value


def component(value: Any, info: ValidationInfo[Any]) -> Any:
    """Check what names a component of TorchTune: dotted, alone or as ``_component_`` beside its arguments."""
    if is_pending(value, info) or value is None:
        return value
    if is_rendered(info) and isinstance(value, str) and value.strip().startswith("{"):
        value = from_untyped(value)
    if isinstance(value, Mapping):
        if not value:
            raise ValueError(f"must not be empty: write {COMPONENT!r}, or arguments of the recipe's own")
        checked = settings(value, info)
        name = checked.get(COMPONENT)
        if isinstance(name, str):
            dotted(name)
        return checked
    if not isinstance(value, str):
        raise ValueError(f"{_NO_COMPONENT}, not {value!r}")
    return dotted(value)


def override(key: str, value: Any, info: ValidationInfo[Any]) -> None:
    """Check what an override says of a component; what others say only TorchTune can judge."""
    if key.startswith("~"):
        _deletion(key, value)
    elif (key in COMPONENTS or key.endswith(f".{COMPONENT}")) and not renders_later(value):
        try:
            if value is None:
                # TorchTune would build it all the same, of nothing.
                raise ValueError(f"{_NO_COMPONENT}, not None")
            component(value, info)
        except ValueError as error:
            raise ValueError(f"{key!r}: {error}") from None


def _deletion(key: str, value: Any) -> None:
    if value is not None:
        raise ValueError(f"{key!r} deletes a key, so its value must be None, not {value!r}")
    if key[1:] in COMPONENTS or key.endswith(f".{COMPONENT}"):
        raise ValueError(f"{key!r}: TorchTune cannot delete a whole component; give it another value instead")


def dotted(value: str, *, example: str = "torch.optim.AdamW") -> str:
    """Check the name of something that TorchTune imports."""
    if not _DOTTED.fullmatch(value):
        raise ValueError(f"{value!r} must be a dotted name, such as {example!r}: TorchTune imports it")
    return value


Settings = Annotated[dict[str, Any], BeforeValidator(settings)]
Component = Annotated[str | dict[str, Any], BeforeValidator(component)]
