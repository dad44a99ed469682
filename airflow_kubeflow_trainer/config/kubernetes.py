"""Kubernetes' own objects within a config: volumes, tolerations, security contexts, ...

They are passed on under Kubernetes' names. What Trainer's admission would refuse of them, an unknown field or a value
of another type, is refused here, by Trainer's own schema. What a template renders to is text, and becomes a number or
a truth value where Kubernetes wants one.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from airflow_kubeflow_trainer.config import messages
from airflow_kubeflow_trainer.config.base import is_pending

Schema = Mapping[str, Any]

_WHOLE = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)
_TRUTH = {"true": True, "false": False}
LARGEST_INTEGER = 2**31 - 1
"""Of most of Kubernetes' numbers."""
_LARGEST = {"int32": LARGEST_INTEGER, "int64": 2**63 - 1}
MAX_ARGUMENTS = 128
"""How many words a TrainJob's command may have, its arguments as many, and its environment as many variables."""
MAX_NAME = 253
MAX_PATCHES = 16


def of_schema(name: str) -> AfterValidator:
    """Make the check of objects that stand at a place in Trainer's schema, by its name in :func:`schemas`."""

    def check(value: Any, info: ValidationInfo[Any]) -> Any:
        return checked(value, name, info)

    return AfterValidator(check)


def checked(value: Any, name: str, info: ValidationInfo[Any]) -> Any:
    """Give an object as Kubernetes wants it; templates in it are left alone.

    :raises ValueError: Trainer's admission would refuse it.
    """
    return _read(value, schemas()[name], info, "")


@cache
def schemas() -> dict[str, Any]:
    """Return the parts of Trainer's schema of runtime patches, as scripts/vendor_trainer.py took them over."""
    text = (resources.files(__package__) / "kubernetes.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    # Left out, Trainer's webhook makes it null, which the schema then refuses.
    found["volume"]["properties"]["projected"]["required"] = ["sources"]
    return found


def _read(value: Any, schema: Schema, info: ValidationInfo[Any], where: str) -> Any:
    if is_pending(value, info):
        return value
    return _READERS[schema.get("type", "quantity")](value, schema, info, where)


def _object(value: Any, schema: Schema, info: ValidationInfo[Any], where: str) -> Any:
    if not isinstance(value, Mapping):
        raise _error(where, f"must be a dict, not {value!r}")
    # What is None is not there, as with Kubernetes' clients.
    given = {key: item for key, item in value.items() if item is not None}
    fields: Schema = schema.get("properties", {})
    each: Schema | None = schema.get("additionalProperties")
    for key in given:
        if key not in fields and each is None:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(fields)}"
            raise _error(_join(where, key), f"there is no such field; {hint}")
    for key in schema.get("required", ()):
        if key not in given:
            raise _error(_join(where, key), "is missing")
    return {key: _read(item, fields.get(key) or each or {}, info, _join(where, key)) for key, item in given.items()}


def _list(value: Any, schema: Schema, info: ValidationInfo[Any], where: str) -> Any:
    if not isinstance(value, list):
        raise _error(where, f"must be a list, not {value!r}")
    return [_read(item, schema["items"], info, _join(where, i)) for i, item in enumerate(value)]


def _text(value: Any, schema: Schema, info: ValidationInfo[Any], where: str) -> Any:
    if not isinstance(value, str):
        raise _error(where, f"must be text, not {value!r}")
    return value


def _integer(value: Any, schema: Schema, info: ValidationInfo[Any], where: str) -> Any:
    # 1.0 is an integer to Go, too.
    whole = (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and value.is_integer()
    )
    if not whole and not (isinstance(value, str) and _WHOLE.fullmatch(value)):
        raise _error(where, f"must be an integer, not {value!r}")
    found = int(value)
    if abs(found) > _LARGEST[schema.get("format", "int64")]:
        raise _error(where, f"must fit into {schema.get('format', 'int64')}, not {value!r}")
    return found


def _boolean(value: Any, schema: Schema, info: ValidationInfo[Any], where: str) -> Any:
    found = value if isinstance(value, bool) else _TRUTH.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise _error(where, f"must be true or false, not {value!r}")
    return found


def _quantity(value: Any, schema: Schema, info: ValidationInfo[Any], where: str) -> Any:
    pattern = schema.get("pattern", "")
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.search(pattern, str(value)):
        raise _error(where, f"{value!r} is no quantity; write a number, or text such as '500m' or '16Gi'")
    return value


_READERS: Mapping[str, Callable[[Any, Schema, ValidationInfo[Any], str], Any]] = {
    "object": _object,
    "array": _list,
    "string": _text,
    "integer": _integer,
    "boolean": _boolean,
    "quantity": _quantity,
}


def _join(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)


def _error(where: str, text: str) -> ValueError:
    return messages.about(where, text) if where else ValueError(text)


Volume = Annotated[dict[str, Any], of_schema("volume")]
VolumeMount = Annotated[dict[str, Any], of_schema("volumeMount")]
SecurityContext = Annotated[dict[str, Any], of_schema("securityContext")]
PodSecurityContext = Annotated[dict[str, Any], of_schema("podSecurityContext")]
Affinity = Annotated[dict[str, Any], of_schema("affinity")]
Toleration = Annotated[dict[str, Any], of_schema("toleration")]
ImagePullSecret = Annotated[dict[str, Any], of_schema("imagePullSecret")]
SchedulingGate = Annotated[dict[str, Any], of_schema("schedulingGate")]
