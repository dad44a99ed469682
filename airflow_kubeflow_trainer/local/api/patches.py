"""The kinds of patch: JSON merge patch (RFC 7396), JSON patch (RFC 6902) and the strategic one."""

from __future__ import annotations

import copy
from typing import Any

from airflow_kubeflow_trainer.local.api.strategic import strategic_merge
from airflow_kubeflow_trainer.local.status import StatusError, bad_request

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCHES = ("application/apply-patch+yaml", "application/apply-patch+cbor")


def apply_patch(obj: dict[str, Any], patch: Any, *, content_type: str, custom: bool) -> dict[str, Any]:
    """Return an object with a patch applied; the object itself stays as it is.

    :param custom: the object is a custom resource, which knows no strategic merge patch.
    :raises StatusError: 415 for a kind of patch that is not served, 400 or 422 for a patch that does not fit.
    """
    supported = [JSON_PATCH, MERGE_PATCH] + ([] if custom else [STRATEGIC_MERGE_PATCH])
    if content_type in APPLY_PATCHES:
        message = "server-side apply is not served by this local cluster; send a merge patch, a JSON patch or an update"
        raise StatusError(415, "UnsupportedMediaType", message)
    if content_type not in supported:
        message = "the body of the request was in an unknown format - accepted media types include: "
        raise StatusError(415, "UnsupportedMediaType", message + ", ".join(supported))
    if content_type == JSON_PATCH:
        patched = json_patch(obj, patch)
    elif not isinstance(patch, dict):
        raise bad_request("error decoding patch: expected a JSON object")
    elif content_type == MERGE_PATCH:
        patched = merge_patch(obj, patch)
    else:
        patched = strategic_merge(obj, patch)
    if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
        raise bad_request("the patch takes the object's metadata away")
    return patched


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(obj: dict[str, Any], patch: Any) -> Any:
    """Apply the operations of a JSON patch, all or none.

    :raises StatusError: 400 for what is no JSON patch, 422 where an operation does not fit the object.
    """
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise bad_request("error decoding patch: expected a list of operations")
    document: Any = {"": copy.deepcopy(obj)}
    for operation in patch:
        try:
            _operate(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            message = f"the server rejected our request due to an error in our request: {operation}: {error}"
            raise StatusError(422, "Invalid", message) from error
    return document[""]


def _operate(document: Any, operation: dict[str, Any]) -> None:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            _add(document, path, copy.deepcopy(operation["value"]))
        case "replace":
            _get(document, path)
            _remove(document, path)
            _add(document, path, copy.deepcopy(operation["value"]))
        case "remove":
            _remove(document, path)
        case "move":
            source = _pointer(operation["from"])
            if path[: len(source)] == source and path != source:
                raise ValueError("a value cannot be moved into itself")
            value = _get(document, source)
            _remove(document, source)
            _add(document, path, value)
        case "copy":
            _add(document, path, copy.deepcopy(_get(document, _pointer(operation["from"]))))
        case "test":
            if not _equal(_get(document, path), operation["value"]):
                raise ValueError("testing value failed")
        case other:
            raise ValueError(f"unexpected kind of operation {other!r}")


def _pointer(text: str) -> list[str]:
    # The document is wrapped in {"": document}, so that the whole of it can be replaced too.
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer: it must begin with '/'")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")]


def _get(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[_index(part, len(document) - 1)] if isinstance(document, list) else document[part]
    return document


def _add(document: Any, path: list[str], value: Any) -> None:
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise ValueError("the parent is neither an object nor a list")


def _remove(document: Any, path: list[str]) -> None:
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[_index(last, len(parent) - 1)]
    else:
        del parent[last]


def _index(part: str, largest: int) -> int:
    if not part.isascii() or not part.isdigit() or (len(part) > 1 and part[0] == "0") or int(part) > largest:
        raise IndexError(f"{part!r} is no index of the list")
    return int(part)


def _equal(left: Any, right: Any) -> bool:
    # JSON tells true from 1, Python doesn't.
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)
