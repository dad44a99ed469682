"""Bodies in Kubernetes' protobuf, as kubectl sends them for a few kinds: ``create secret``, ``drain``, ``auth can-i``.

Everything else comes as JSON. Field numbers are those of k8s.io/api's and k8s.io/apimachinery's generated.proto.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.local.status import StatusError, bad_request

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _BYTES = 0, 2

_Message = dict[int, "_Field"]


@dataclass(frozen=True)
class _Field:
    """One field of a message."""

    name: str
    type: Any = str
    """str, int, bool, bytes, or a message; None is passed over."""
    repeated: bool = False
    map: bool = False
    """Whether it is a map of strings to values of the type."""


_SERVERS = _Field("", type=None)
"""A field that only the server writes; what a client sends in it is passed over."""
_OWNER: _Message = {
    1: _Field("kind"),
    3: _Field("name"),
    4: _Field("uid"),
    5: _Field("apiVersion"),
    6: _Field("controller", bool),
    7: _Field("blockOwnerDeletion", bool),
}
_METADATA: _Message = {
    **dict.fromkeys((4, 7, 8, 9, 10, 17), _SERVERS),
    1: _Field("name"),
    2: _Field("generateName"),
    3: _Field("namespace"),
    5: _Field("uid"),
    6: _Field("resourceVersion"),
    11: _Field("labels", map=True),
    12: _Field("annotations", map=True),
    13: _Field("ownerReferences", _OWNER, repeated=True),
    14: _Field("finalizers", repeated=True),
}
_DELETE_OPTIONS: _Message = {
    1: _Field("gracePeriodSeconds", int),
    2: _Field("preconditions", {1: _Field("uid"), 2: _Field("resourceVersion")}),
    3: _Field("orphanDependents", bool),
    4: _Field("propagationPolicy"),
    5: _Field("dryRun", repeated=True),
}
_ATTRIBUTES = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
_REVIEW_SPEC: _Message = {
    1: _Field("resourceAttributes", {i: _Field(name) for i, name in enumerate(_ATTRIBUTES, start=1)}),
    2: _Field("nonResourceAttributes", {1: _Field("path"), 2: _Field("verb")}),
}
_OBJECT: _Message = {1: _Field("metadata", _METADATA)}
_KINDS: dict[str, _Message] = {
    "ConfigMap": {
        **_OBJECT,
        2: _Field("data", map=True),
        3: _Field("binaryData", bytes, map=True),
        4: _Field("immutable", bool),
    },
    "DeleteOptions": _DELETE_OPTIONS,
    "Eviction": {**_OBJECT, 2: _Field("deleteOptions", _DELETE_OPTIONS)},
    "Namespace": {**_OBJECT, 3: _SERVERS, 2: _Field("spec", {1: _Field("finalizers", repeated=True)})},
    "Secret": {
        **_OBJECT,
        2: _Field("data", bytes, map=True),
        3: _Field("type"),
        4: _Field("stringData", map=True),
        5: _Field("immutable", bool),
    },
    "SelfSubjectAccessReview": {**_OBJECT, 3: _SERVERS, 2: _Field("spec", _REVIEW_SPEC)},
    "SelfSubjectReview": {**_OBJECT, 2: _SERVERS},
    "SelfSubjectRulesReview": {**_OBJECT, 3: _SERVERS, 2: _Field("spec", {1: _Field("namespace")})},
    "ServiceAccount": {**_OBJECT, 4: _Field("automountServiceAccountToken", bool)},
}
_TYPE: _Message = {1: _Field("apiVersion"), 2: _Field("kind")}
_ENVELOPE: _Message = {1: _Field("type", _TYPE), 2: _Field("raw", bytes)}


def decode(body: bytes) -> dict[str, Any]:
    """Return an object as its JSON would be.

    :raises StatusError: 400, it is no such body; 415, a kind or a field that is not read from protobuf.
    """
    if not body.startswith(_MAGIC):
        raise bad_request("the object provided is unrecognized: it does not begin as Kubernetes' protobuf does")
    try:
        envelope = _message(memoryview(body)[len(_MAGIC) :], _ENVELOPE, "Unknown")
        kind = envelope.get("type", {}).get("kind", "")
        if kind not in _KINDS:
            raise _unread(kind or "an object without a kind")
        raw = base64.b64decode(envelope.get("raw", ""))
        return {**envelope["type"], **_message(memoryview(raw), _KINDS[kind], kind)}
    except (IndexError, UnicodeDecodeError) as error:
        raise bad_request(f"the object provided is unrecognized: protobuf: {error}") from None


def _unread(what: str) -> StatusError:
    message = f"the local cluster does not read {what} from protobuf: send application/json"
    return StatusError(415, "UnsupportedMediaType", message)


def _message(data: memoryview, fields: _Message, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _parts(data):
        field = fields.get(number)
        if field is None:
            if value:
                raise _unread(f"field {number} of {name}")
        elif field.type is None:
            continue
        elif field.map:
            key, item = _entry(value, field)
            found.setdefault(field.name, {})[key] = item
        elif field.repeated:
            found.setdefault(field.name, []).append(_value(value, field))
        else:
            found[field.name] = _value(value, field)
    # Go writes empty strings and messages where JSON would have nothing.
    return {key: value for key, value in found.items() if value not in ("", {})}


def _entry(value: Any, field: _Field) -> tuple[str, Any]:
    parts = dict(_parts(value))
    return _value(parts.get(1, b""), _Field("key")), _value(parts.get(2, b""), field)


def _value(value: Any, field: _Field) -> Any:
    if isinstance(value, int) != (field.type in (int, bool)):
        raise bad_request(f"the object provided is unrecognized: protobuf: {field.name} has another type")
    if field.type is bool:
        return bool(value)
    if field.type is int:
        return value - (1 << 64) if value >> 63 else value
    if field.type is bytes:
        return base64.b64encode(value).decode()
    return bytes(value).decode() if field.type is str else _message(value, field.type, field.name)


def _parts(data: Any) -> Iterator[tuple[int, Any]]:
    """Give each field's number with its number or bytes."""
    if isinstance(data, int):
        raise bad_request("the object provided is unrecognized: protobuf: a message is expected, not a number")
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        value, position = _varint(data, position)
        if key & 7 == _BYTES:
            end = position + value
            if end > len(data):
                raise IndexError("a field is longer than its message")
            value, position = data[position:end], end
        elif key & 7 != _VARINT:
            raise bad_request(f"the object provided is unrecognized: protobuf: wire type {key & 7}")
        yield key >> 3, value


def _varint(data: Any, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), position
        shift += 7
