"""Structural schemas of custom resources: pruning, defaults, and validation with the API server's words."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import (
    ErrorType,
    FieldError,
    invalid,
    not_supported,
    required,
)

Schema = dict[str, Any]

METADATA_FIELDS = frozenset(
    [
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ]
)


_ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}


def prune(obj: dict[str, Any], schema: Schema) -> list[str]:
    """Remove what the schema doesn't know, in place, and return the paths of what was removed."""
    removed = [f"metadata.{key}" for key in obj.get("metadata") or {} if key not in METADATA_FIELDS]
    for path in removed:
        del obj["metadata"][path.removeprefix("metadata.")]
    root = {
        **schema,
        "properties": {
            **schema["properties"],
            "metadata": {"type": "object", "additionalProperties": True},
        },
    }
    removed += _prune(obj, root, "")
    return removed


def _prune(value: Any, schema: Schema | None, path: str) -> list[str]:
    # As Kubernetes prunes, without a look at types: of an object that stands where a number should, all is unknown.
    if isinstance(value, list):
        items = schema if schema == _ANYTHING else (schema or {}).get("items")
        return [gone for i, item in enumerate(value) for gone in _prune(item, items, f"{path}[{i}]")]
    if not isinstance(value, dict):
        return []
    removed = []
    for key in sorted(value):
        at = join(path, key)
        child = None if schema is None else _child(schema, key)
        if child is None:
            removed.append(at)
            del value[key]
        else:
            removed += _prune(value[key], child, at)
    return removed


def _child(schema: Schema, key: str) -> Schema | None:
    """Return a field's schema, ``_ANYTHING`` where anything goes, and None for a field that is not known."""
    properties: dict[str, Schema] = schema.get("properties", {})
    if key in properties:
        return properties[key]
    rest = schema.get(
        "additionalProperties",
        schema.get("x-kubernetes-preserve-unknown-fields", False),
    )
    return _ANYTHING if rest is True else rest or None


def default(value: Any, schema: Schema) -> None:
    """Fill in the schema's defaults and remove nulls, in place."""
    if isinstance(value, list):
        for item in value:
            default(item, schema.get("items", {}))
    if not isinstance(value, dict):
        return
    for key, child in schema.get("properties", {}).items():
        if "default" in child and value.get(key) is None:
            value[key] = copy.deepcopy(child["default"])
    for key in [key for key, item in value.items() if item is None]:
        if not (_child(schema, key) or {}).get("nullable"):
            del value[key]
    for key, item in value.items():
        default(item, _child(schema, key) or {})


def validate(value: Any, schema: Schema, path: str = "") -> Iterator[FieldError]:
    """Check types, required fields, enums, patterns, limits and the uniqueness of list items' keys."""
    wrong = _type_error(value, schema, path)
    if wrong is not None:
        yield wrong
        return
    yield from _value_errors(value, schema, path)
    if isinstance(value, str):
        yield from _string_errors(value, schema, path)
    elif isinstance(value, list):
        yield from _list_errors(value, schema, path)
    elif isinstance(value, dict):
        yield from _object_errors(value, schema, path)


def _type_error(value: Any, schema: Schema, path: str) -> FieldError | None:
    if schema.get("x-kubernetes-int-or-string"):
        fits = isinstance(value, int | str) and not isinstance(value, bool)
        return None if fits else _wrong_type(value, "integer,string", path)
    wanted = schema.get("type")
    checks = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": int | float,
    }
    if wanted is None or (isinstance(value, checks[wanted]) and not (isinstance(value, bool) and wanted != "boolean")):
        return None
    return _wrong_type(value, wanted, path)


def _wrong_type(value: Any, wanted: str, path: str) -> FieldError:
    names = {
        dict: "object",
        list: "array",
        str: "string",
        bool: "boolean",
        int: "integer",
        float: "number",
    }
    found = names.get(type(value), "null")
    detail = f'{path} in body must be of type {wanted}: "{found}"'
    return FieldError(type=ErrorType.TYPE_INVALID, field=path, value=found, detail=detail)


def _value_errors(value: Any, schema: Schema, path: str) -> Iterator[FieldError]:
    if "enum" in schema and value not in schema["enum"]:
        yield not_supported(path, value, sorted(schema["enum"]))
    if isinstance(value, int) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            yield invalid(
                path,
                value,
                f"{path} in body should be greater than or equal to {schema['minimum']}",
            )
        if value > schema.get("maximum", value):
            yield invalid(
                path,
                value,
                f"{path} in body should be less than or equal to {schema['maximum']}",
            )


def _string_errors(value: str, schema: Schema, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minLength", 0):
        yield invalid(
            path,
            value,
            f"{path} in body should be at least {schema['minLength']} chars long",
        )
    if len(value) > schema.get("maxLength", len(value)):
        detail = f"may not be more than {schema['maxLength']} bytes"
        yield FieldError(type=ErrorType.TOO_LONG, field=path, detail=detail)
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield invalid(path, value, f"{path} in body should match '{schema['pattern']}'")


def _list_errors(value: list[Any], schema: Schema, path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxItems", len(value)):
        detail = f"must have at most {schema['maxItems']} items"
        yield FieldError(type=ErrorType.TOO_MANY, field=path, value=len(value), detail=detail)
    if len(value) < schema.get("minItems", 0):
        yield invalid(
            path,
            len(value),
            f"{path} in body should have at least {schema['minItems']} items",
        )
    for i, item in enumerate(value):
        yield from validate(item, schema.get("items", {}), f"{path}[{i}]")
    yield from _duplicates(value, schema, path)


def _duplicates(value: list[Any], schema: Schema, path: str) -> Iterator[FieldError]:
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys", [])
    seen = []
    for i, item in enumerate(value):
        if kind == "map" and isinstance(item, dict):
            identity: Any = list_key(item, keys)
        elif kind == "set":
            identity = item
        else:
            continue
        if identity in seen:
            yield FieldError(type=ErrorType.DUPLICATE, field=f"{path}[{i}]", value=identity)
        seen.append(identity)


def list_key(item: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """Return what tells an item of a list of type ``map`` from the others."""
    return {key: item[key] for key in keys if key in item}


def _object_errors(value: dict[str, Any], schema: Schema, path: str) -> Iterator[FieldError]:
    for key in schema.get("required", []):
        if key not in value:
            yield required(join(path, key))
    if len(value) < schema.get("minProperties", 0):
        yield invalid(
            path,
            len(value),
            f"{path} in body should have at least {schema['minProperties']} properties",
        )
    for key, item in value.items():
        child = _child(schema, key)
        if child:
            yield from validate(item, child, join(path, key))


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
