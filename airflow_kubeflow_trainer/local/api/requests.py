"""Read a request's body and options; write answers as Kubernetes does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from airflow_kubeflow_trainer.local.api import errors, protobuf
from airflow_kubeflow_trainer.local.api.jsonpatch import json_patch, merge_patch
from airflow_kubeflow_trainer.local.api.registry import WriteOptions
from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.status import StatusError, bad_request
from airflow_kubeflow_trainer.local.strategic import strategic_merge

MAX_BODY_BYTES = 3 * 1024 * 1024
"""Kubernetes' own limit of a request."""
_JSON = "application/json"
_PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_merge,
}
_APPLY = ("application/apply-patch+yaml", "application/apply-patch+cbor")
_FIELD_VALIDATION = ("Ignore", "Strict", "Warn")


async def read_body(request: web.Request) -> Any:
    """Return a request's JSON, or what it would be; None where it has no body.

    :raises StatusError: 400, it is no JSON; 413, it is too large; 415, it is something else.
    """
    text = await _read(request)
    if not text.strip():
        return None
    if request.content_type == protobuf.CONTENT_TYPE:
        return protobuf.decode(text)
    if request.content_type not in (_JSON, "application/octet-stream"):
        raise errors.unsupported_media_type((_JSON,))
    return _parse(text)


async def read_patch(request: web.Request, resource: ApiResource) -> Callable[[Any], Any]:
    """Return what a patch makes of an object.

    :raises StatusError: as :func:`read_body`; 415 for a kind of patch that the resource does not know.
    """
    kinds = {kind: patch for kind, patch in _PATCHES.items() if not (resource.custom and patch is strategic_merge)}
    apply = kinds.get(request.content_type)
    if request.content_type in _APPLY:
        instead = f"leave `--server-side` out, or send one of {', '.join(kinds)}"
        message = f"the local cluster does not offer server-side apply: {instead}"
        raise StatusError(415, "UnsupportedMediaType", message)
    if apply is None:
        raise errors.unsupported_media_type(tuple(kinds))
    patch = _parse(await _read(request))
    if apply is not json_patch and not isinstance(patch, dict):
        raise bad_request("error decoding patch: it must be an object")
    return lambda obj: apply(obj, patch)


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        message = f"Request entity too large: limit is {MAX_BODY_BYTES}"
        raise StatusError(413, "RequestEntityTooLarge", message) from None


def _parse(text: bytes) -> Any:
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant, parse_float=_number, parse_int=_number)
        return _with_whole_characters(parsed) if b"\\ud" in text.lower() else parsed
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the object provided is unrecognized: json parse error: {error}") from None


def _with_whole_characters(value: Any) -> Any:
    """Replace halves of characters by U+FFFD, as Go's decoder does: no encoding could store them."""
    whole = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.loads(whole)


def _number(text: str) -> int | float:
    """Return the number that Go's types hand on: 1.0 is the integer 1, and what 64 bits cannot hold is none."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"json: cannot unmarshal number {text} into Go value of type float64")
    if not number.is_integer():
        return number
    exact = int(text) if text.lstrip("-").isdecimal() else int(number)
    return exact if -(2**63) <= exact < 2**63 else number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def write_options(query: Mapping[str, str], *, kind: str) -> WriteOptions:
    """Read the options of a write.

    :param kind: what Kubernetes calls them, for example ``CreateOptions``.
    :raises StatusError: 422, one has a value that is not known.
    """
    dry_run, validation = query.get("dryRun"), query.get("fieldValidation") or "Warn"
    if dry_run not in (None, "All"):
        raise _unsupported(kind, "dryRun", dry_run, ("All",))
    if validation not in _FIELD_VALIDATION:
        raise _unsupported(kind, "fieldValidation", validation, _FIELD_VALIDATION)
    return WriteOptions(dry_run=dry_run == "All", field_validation=validation)


def _unsupported(kind: str, field: str, value: str, supported: Sequence[str]) -> StatusError:
    listed = ", ".join(f'"{each}"' for each in supported)
    why = f'Unsupported value: "{value}": supported values: {listed}'
    return errors.invalid(f"{kind}.meta.k8s.io", "", field=field, why=why, reason="FieldValueNotSupported")


def answer(body: Any, *, status: int = 200, warnings: Sequence[str] = ()) -> web.Response:
    """Return an answer of JSON; bytes are JSON already."""
    text = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    response = web.Response(body=text, status=status, content_type=_JSON)
    for warning in warnings:
        # As an HTTP header's quoted string; what does not fit into one is left out, as in Kubernetes.
        plain = "".join(letter for letter in warning if letter.isprintable())
        escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def refuse(error: StatusError) -> web.Response:
    """Return a Status as an answer."""
    response = answer(error.as_status(), status=error.code)
    if "retryAfterSeconds" in error.details:
        response.headers["Retry-After"] = str(error.details["retryAfterSeconds"])
    return response
