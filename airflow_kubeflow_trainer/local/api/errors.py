"""Kubernetes' refusals, word for word."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.status import StatusError

STALE = "the object has been modified; please apply your changes to the latest version and try again"


def _details(resource: ApiResource, name: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def not_found(resource: ApiResource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" not found'
    return StatusError(404, "NotFound", message, details=_details(resource, name))


def already_exists(resource: ApiResource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, details=_details(resource, name))


def conflict(resource: ApiResource, name: str, why: str = STALE) -> StatusError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, details=_details(resource, name))


def forbidden(resource: ApiResource, name: str, why: str) -> StatusError:
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    return StatusError(403, "Forbidden", message, details=_details(resource, name))


def invalid(kind: str, name: str, *, field: str, why: str, reason: str = "FieldValueInvalid") -> StatusError:
    """422 for one field.

    :param kind: qualified kind, for example ``TrainJob.trainer.kubeflow.org``.
    :param why: what follows the field in the message, for example ``Invalid value: 0: must be specified``.
    """
    short, _, group = kind.partition(".")
    details = {key: value for key, value in {"name": name, "group": group, "kind": short}.items() if value}
    causes = [{"reason": reason, "message": why, "field": field}]
    return StatusError(422, "Invalid", f'{kind} "{name}" is invalid: {field}: {why}', details=details, causes=causes)


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message)


def unsupported_media_type(accepted: tuple[str, ...]) -> StatusError:
    words = "the body of the request was in an unknown format - accepted media types include: "
    return StatusError(415, "UnsupportedMediaType", words + ", ".join(accepted))


def too_large_version(wanted: int, current: int) -> StatusError:
    """504, as Kubernetes says where somebody knows of a version that the server has not reached."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return StatusError(504, "Timeout", message, details={"retryAfterSeconds": 1}, causes=causes)
