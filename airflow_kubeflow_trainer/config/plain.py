"""Plain data (dicts, lists, text, numbers) from whatever a DAG author writes: our models, the SDK's, a client's."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from types import ModuleType
from typing import Any

from airflow_kubeflow_trainer.config.markers import is_template
from airflow_kubeflow_trainer.exceptions import ConfigError


class PlainData(ABC):
    """Something that is made of plain data."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """Give the fields that were set, as plain data; templates and XComArgs stay where they are."""


def plain(value: Any) -> Any:
    """Turn a config value into what Airflow can store and render; what has no such form stays as it is."""
    if isinstance(value, PlainData):
        return value.plain()
    if isinstance(value, Enum):
        return value.value
    if is_template(value) or isinstance(value, str | bytes):
        return value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value, key=repr)]
    # A Sequence: the XComs of a mapped task come as one that is no list.
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    fields = _fields(value)
    # The SDK and Kubernetes' clients say "not set" by None.
    return value if fields is None else {name: plain(item) for name, item in fields.items() if item is not None}


def attributes(value: Any, *, kind: str, field: str = "") -> dict[str, Any]:
    """Read a mapping, or any object that has a config's attributes: a dataclass of the Kubeflow SDK, ...

    :param kind: what is expected, for messages.
    :param field: name to begin messages with.
    :raises ConfigError: it is neither.
    """
    found = plain(value)
    if isinstance(found, dict):
        return {str(key): item for key, item in found.items()}
    raise ConfigError(f"{field}{': ' if field else ''}must be {kind} or a dict, not {_name(value)}")


def _fields(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, type | ModuleType) or callable(value):
        return None
    on_the_wire = getattr(type(value), "attribute_map", None)
    if isinstance(on_the_wire, Mapping):
        return {wire_name: getattr(value, name) for name, wire_name in on_the_wire.items()}
    if callable(getattr(type(value), "model_dump", None)):
        return dict(value.model_dump(by_alias=True, exclude_none=True))
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    public = {name: item for name, item in getattr(value, "__dict__", {}).items() if not name.startswith("_")}
    return public or None


def _name(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}; write {value.__name__}(...)"
    # Another object's repr may hold an address, or a secret.
    shown = isinstance(value, str | bytes | int | float | list | None)
    return repr(value) if shown else f"a {type(value).__qualname__}"
