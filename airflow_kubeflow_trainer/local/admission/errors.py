"""Kubernetes' field errors: what is wrong with one field, in the API server's own words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class _Omitted(Enum):
    OMITTED = "omitted"


OMITTED: Final = _Omitted.OMITTED
"""Stands for a value that the message leaves out; None is printed as null."""


UNCHECKED: Final = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete"
    " validation"
)
"""What the API server adds where it leaves the CEL rules out."""


class ErrorType(Enum):
    """A kind of field error: the cause's reason and the message's first words."""

    INVALID = ("FieldValueInvalid", "Invalid value")
    TYPE_INVALID = ("FieldValueTypeInvalid", "Invalid value")
    REQUIRED = ("FieldValueRequired", "Required value")
    DUPLICATE = ("FieldValueDuplicate", "Duplicate value")
    NOT_SUPPORTED = ("FieldValueNotSupported", "Unsupported value")
    NOT_FOUND = ("FieldValueNotFound", "Not found")
    FORBIDDEN = ("FieldValueForbidden", "Forbidden")
    TOO_LONG = ("FieldValueTooLong", "Too long")
    TOO_MANY = ("FieldValueTooMany", "Too many")

    def __init__(self, reason: str, words: str) -> None:
        self.reason = reason
        self.words = words


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """What is wrong with one field.

    :param field: the field's path, for example ``spec.trainer.env[0].name``; empty for the whole object.
    """

    type: ErrorType
    field: str
    detail: str = ""
    value: Any = OMITTED

    @property
    def body(self) -> str:
        """The message without the field's path."""
        parts = [self.type.words]
        if self.value is not OMITTED:
            parts.append(go_value(self.value))
        if self.detail:
            parts.append(self.detail)
        return ": ".join(parts)

    def __str__(self) -> str:
        return f"{self.field or '<nil>'}: {self.body}"

    def as_cause(self) -> dict[str, str]:
        """Return the entry of a Status' ``details.causes``."""
        return {
            "reason": self.type.reason,
            "message": self.body,
            "field": self.field or "<nil>",
        }


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(type=ErrorType.INVALID, field=field, value=value, detail=detail)


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(type=ErrorType.REQUIRED, field=field, detail=detail)


def not_supported(field: str, value: Any, known: Iterable[Any]) -> FieldError:
    """Name what would be right, in the order that is given."""
    detail = f"supported values: {', '.join(map(json.dumps, known))}"
    return FieldError(type=ErrorType.NOT_SUPPORTED, field=field, value=value, detail=detail)


def not_found(field: str, value: Any) -> FieldError:
    return FieldError(type=ErrorType.NOT_FOUND, field=field, value=value)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError(type=ErrorType.FORBIDDEN, field=field, detail=detail)


def aggregate(errors: Iterable[FieldError]) -> str:
    """Join errors as Kubernetes does: one stands alone, more stand in brackets, each message once."""
    messages = list(dict.fromkeys(str(error) for error in errors))
    return messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"


def go_value(value: Any) -> str:
    """Print a value as Go's encoding/json prints the API's structs: fields in the order of the struct."""
    text = json.dumps(_ordered(value), separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, str):
        return text
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


# Where the order of a Go struct is not alphabetical. One list is enough: the structs agree wherever they share names.
_STRUCT_ORDER = {
    name: position
    for position, name in enumerate(
        [
            "name",
            "apiGroup",
            "kind",
            "manager",
            "time",
            "trainingRuntimeSpec",
            "metadata",
            "labels",
            "annotations",
            "spec",
            "image",
            "command",
            "args",
            "env",
            "value",
            "valueFrom",
            "fieldRef",
            "resourceFieldRef",
            "configMapKeyRef",
            "secretKeyRef",
            "apiVersion",
            "fieldPath",
            "containerName",
            "resource",
            "divisor",
            "key",
            "optional",
            "ports",
            "envFrom",
            "accessModes",
            "resources",
            "limits",
            "requests",
            "claims",
            "volumeMounts",
            "readOnly",
            "mountPath",
            "subPath",
            "replicatedJobs",
            "template",
            "serviceAccountName",
            "volumes",
            "initContainers",
            "containers",
            "imagePullSecrets",
            "securityContext",
            "nodeSelector",
            "affinity",
            "tolerations",
            "schedulingGates",
            "terminationGracePeriodSeconds",
        ]
    )
}


def _ordered(value: Any, parent: str = "") -> Any:
    if isinstance(value, list):
        return [_ordered(item, parent) for item in value]
    if not isinstance(value, dict):
        # A quantity is printed as a string, however it was written.
        return str(value) if parent in ("limits", "requests") else value
    keys = sorted(value, key=lambda key: (_STRUCT_ORDER.get(key, len(_STRUCT_ORDER)), key))
    return {key: _ordered(value[key], parent if parent in ("limits", "requests") else key) for key in keys}
