"""Values as JSON, and those that JSON lacks as tagged JSON: ``{"__type__": "date", "value": "2026-01-31"}``.

=============  ==========================================
``__type__``   ``value``
=============  ==========================================
``float``      ``"nan"``, ``"inf"``, ``"-inf"``
``datetime``   ISO 8601, with the offset where there is one
``date``       ISO 8601
``time``       ISO 8601
``timedelta``  ``[days, seconds, microseconds]``
``Path``       text
``Decimal``    text
``bytes``      base64
``tuple``      a list
``dict``       a dict that has a key ``__type__`` of its own
=============  ==========================================
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

from airflow_kubeflow_trainer.config.markers import is_template
from airflow_kubeflow_trainer.exceptions import ConfigError

TAG = "__type__"


@dataclass(frozen=True)
class NotFinite:
    """A number that is not finite, while a DAG is stored and rendered."""

    text: str

    def serialize(self) -> str:
        """Give what Airflow stores and shows."""
        return self.text


def encode(value: Any, *, field: str, rendered: bool) -> Any:
    """Turn a value into (tagged) JSON.

    :param field: what the names in messages begin with.
    :param rendered: whether templates and XComArgs have become values; before that they are left as they are.
    :raises ConfigError: naming the part that has no such form.
    """
    try:
        return _encode(value, field, rendered)
    except RecursionError:
        raise ConfigError(f"{field}: holds itself, or is nested too deeply to travel to the cluster") from None


def _encode(value: Any, field: str, rendered: bool) -> Any:
    if not rendered and is_template(value):
        return value
    if isinstance(value, Enum):
        return _encode(value.value, field, rendered)
    # By isinstance, not by identity: Airflow's context has proxies.
    if value is None:
        return None
    if isinstance(value, bool | str | int):
        return _plainest(value)
    if isinstance(value, NotFinite):
        return _tagged("float", value.text)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _tagged("float", str(float(value)))
    for kind, (name, form) in _FORMS.items():
        if isinstance(value, kind):
            return _tagged(name, form(value))
    if isinstance(value, Mapping):
        return _encode_mapping(value, field, rendered)
    if isinstance(value, Sequence) and not isinstance(value, bytearray | memoryview):
        # Not only lists: the XComs of a mapped task come as a sequence of Airflow's own.
        items = [_encode(item, f"{field}.{index}", rendered) for index, item in enumerate(value)]
        return _tagged("tuple", items) if isinstance(value, tuple) else items
    raise ConfigError(
        f"{field}: a {_type(value)} cannot travel to the cluster; give text, numbers, True, False, None, "
        "lists, tuples, dicts, bytes, Decimal, Path, or dates and times, or where it is to be found"
    )


def storable(value: Any) -> Any:
    """Replace numbers that are not finite by what can be stored: Airflow keeps DAGs as JSON, which lacks them."""
    if isinstance(value, float) and not math.isfinite(value):
        return NotFinite(str(float(value)))
    if type(value) is dict:
        return {key: storable(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(storable(item) for item in value)
    return value


def to_json(value: Any) -> str:
    """Write JSON as people read it: with letters of all languages, where UTF-8 can carry them."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone half of a surrogate pair.
        return json.dumps(value, allow_nan=False)
    return text


def _plainest(value: bool | str | int) -> bool | str | int:
    return bool(value) if isinstance(value, bool) else str(value) if isinstance(value, str) else int(value)


def _encode_mapping(value: Mapping[Any, Any], field: str, rendered: bool) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise ConfigError(f"{field}: the key {key!r} must be text: JSON has no other keys")
    # As a key, too, an Enum is its value.
    named = {str(key.value if isinstance(key, Enum) else key): item for key, item in value.items()}
    items = {name: _encode(item, f"{field}.{name}", rendered) for name, item in named.items()}
    return _tagged("dict", items) if TAG in items else items


def _type(value: Any) -> str:
    kind = type(value)
    # NumPy's bool is none of Python's.
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _tagged(name: str, value: Any) -> dict[str, Any]:
    return {TAG: name, "value": value}


_FORMS: Mapping[type, tuple[str, Callable[[Any], Any]]] = {
    # A datetime is a date, too.
    datetime: ("datetime", lambda value: value.isoformat()),
    date: ("date", lambda value: value.isoformat()),
    time: ("time", lambda value: value.isoformat()),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    PurePath: ("Path", str),
    Decimal: ("Decimal", str),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode()),
}
