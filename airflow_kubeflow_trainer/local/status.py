"""Kubernetes' Status: what an API server answers when it refuses a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class StatusError(Exception):
    """A request is refused.

    :param code: HTTP status code.
    :param reason: machine-readable word, for example ``NotFound``; Kubernetes leaves it empty for some webhooks.
    :param message: what the client shows to its user.
    :param details: the Status' ``details`` (name, group, kind, uid), without causes.
    :param causes: entries of ``details.causes``: reason, message, field.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        causes: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self.causes = [dict(cause) for cause in causes]

    def as_status(self) -> dict[str, Any]:
        """Return the Status object that goes over the wire."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        details = {**self.details, **({"causes": self.causes} if self.causes else {})}
        if details:
            status["details"] = details
        status["code"] = self.code
        return status


def bad_request(message: str) -> StatusError:
    """400: the request itself makes no sense."""
    return StatusError(400, "BadRequest", message)


def page_not_found() -> StatusError:
    """404 for a path that the API server does not serve."""
    return StatusError(404, "NotFound", "the server could not find the requested resource")


def expired(message: str) -> StatusError:
    """410: the resourceVersion or the continue token is too old; list again."""
    return StatusError(410, "Expired", message)
