"""JSON merge patch (RFC 7396) and JSON patch (RFC 6902)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from airflow_kubeflow_trainer.local.status import StatusError, bad_request


def merge_patch(target: Any, patch: Any) -> Any:
    """Return a document with a merge patch applied; neither is changed."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(document: Any, operations: Any) -> Any:
    """Return a document with the operations of a JSON patch applied, all or none.

    :raises StatusError: 400, it is no JSON patch; 422, it does not fit the document.
    """
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    holder = {"": copy.deepcopy(document)}
    for operation in operations:
        _apply(holder, operation)
    if "" not in holder:
        raise _unfit("the whole document cannot be removed")
    return holder[""]


def _apply(holder: dict[str, Any], operation: dict[str, Any]) -> None:
    kind = operation.get("op")
    path = _pointer(operation.get("path"))
    if kind in ("add", "replace", "test") and "value" not in operation:
        raise bad_request(f"error decoding patch: operation {kind!r} needs a value")
    if kind == "add":
        _add(holder, path, copy.deepcopy(operation["value"]))
    elif kind == "remove":
        _remove(holder, path)
    elif kind == "replace":
        _remove(holder, path)
        _add(holder, path, copy.deepcopy(operation["value"]))
    elif kind == "move":
        source = _pointer(operation.get("from"))
        if path[: len(source)] == source and path != source:
            raise _unfit(f"{operation['from']} cannot be moved into itself")
        _add(holder, path, _remove(holder, source))
    elif kind == "copy":
        _add(holder, path, copy.deepcopy(_find(holder, _pointer(operation.get("from")))))
    elif kind == "test":
        if not _equal(_find(holder, path), operation["value"]):
            raise _unfit(f"testing value {operation['path']} failed")
    else:
        raise bad_request(f"error decoding patch: unexpected kind: {kind}")


def _pointer(text: Any) -> list[str]:
    """Return the parts of a JSON pointer, below the holder of the whole document."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise bad_request(f"error decoding patch: {text!r} is no JSON pointer: it must be empty or start with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in (text or "").split("/")]


def _find(holder: Any, path: Sequence[str]) -> Any:
    value = holder
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list):
            value = value[_index(part, len(value) - 1)]
        else:
            raise _unfit(f"doc is missing path: {'/'.join(path)}: missing value")
    return value


def _add(holder: Any, path: Sequence[str], value: Any) -> None:
    parent = _find(holder, path[:-1])
    if isinstance(parent, dict):
        parent[path[-1]] = value
    elif isinstance(parent, list):
        index = len(parent) if path[-1] == "-" else _index(path[-1], len(parent))
        parent.insert(index, value)
    else:
        raise _unfit(f"doc is missing path: {'/'.join(path)}: missing value")


def _remove(holder: Any, path: Sequence[str]) -> Any:
    removed = _find(holder, path)
    parent = _find(holder, path[:-1])
    if isinstance(parent, list):
        del parent[int(path[-1])]
    else:
        del parent[path[-1]]
    return removed


def _index(part: str, last: int) -> int:
    if not (part.isascii() and part.isdigit()) or (part != "0" and part.startswith("0")) or int(part) > last:
        raise _unfit(f"Unable to access invalid index: {part}: invalid index referenced")
    return int(part)


def _equal(one: Any, other: Any) -> bool:
    # Python takes True for 1; JSON does not.
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _unfit(why: str) -> StatusError:
    words = "the server rejected our request due to an error in our request"
    return StatusError(422, "Invalid", words, causes=[{"message": why}])
