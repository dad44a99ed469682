"""Why a request for one object is refused, in Kubernetes' own words."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.local.api.resources import SERVED, ServedResource
from airflow_kubeflow_trainer.local.status import StatusError


def not_found(served: ServedResource, name: str) -> StatusError:
    """404: there is no such object."""
    return StatusError(404, "NotFound", f'{served.qualified_name} "{name}" not found', details=_details(served, name))


def namespace_not_found(name: str) -> StatusError:
    """404: an object cannot be created in a namespace that does not exist."""
    return not_found(SERVED["namespaces"], name)


def already_exists(served: ServedResource, name: str) -> StatusError:
    """409: the name is taken."""
    message = f'{served.qualified_name} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, details=_details(served, name))


def conflict(served: ServedResource, name: str, problem: str) -> StatusError:
    """409: the object is not in the state that the request expects."""
    message = f'Operation cannot be fulfilled on {served.qualified_name} "{name}": {problem}'
    return StatusError(409, "Conflict", message, details=_details(served, name))


def modified(served: ServedResource, name: str) -> StatusError:
    """409: the request's resourceVersion is not the stored one."""
    problem = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(served, name, problem)


def invalid(served: ServedResource, name: str, *, field: str, reason: str, problem: str) -> StatusError:
    """422: a field is wrong.

    :param reason: the cause's reason, for example ``FieldValueRequired``.
    :param problem: the words after the field's path.
    """
    resource = served.resource
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return StatusError(
        422,
        "Invalid",
        f'{kind} "{name}" is invalid: {field}: {problem}',
        details={"name": name, "group": resource.group, "kind": resource.kind},
        causes=[{"reason": reason, "message": problem, "field": field}],
    )


def _details(served: ServedResource, name: str) -> dict[str, Any]:
    details = {"name": name, "group": served.resource.group, "kind": served.resource.plural}
    return {key: value for key, value in details.items() if value}
