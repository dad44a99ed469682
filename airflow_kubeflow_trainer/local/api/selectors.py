"""Label and field selectors: parsed once, matched often."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.status import bad_request
from airflow_kubeflow_trainer.trainjob.selectors import Selector, parse_selector

Object = Mapping[str, Any]
Match = Callable[[Object], bool]


def label_selector(text: str) -> Selector:
    """Parse a label selector.

    :return: whether some labels match.
    :raises StatusError: 400, it is no selector.
    """
    try:
        return parse_selector(text)
    except ConfigError as error:
        raise bad_request(str(error)) from error


def field_selector(text: str, resource: ApiResource) -> Match:
    """Parse a field selector such as ``spec.nodeName=local,status.phase!=Failed``.

    :raises StatusError: 400, it is no selector, or names a field that the resource cannot be selected by.
    """
    terms = [_term(part, resource) for part in _split(text, ",") if part]
    return lambda obj: all((_field(obj, path, resource) == value) is equal for path, equal, value in terms)


def _term(text: str, resource: ApiResource) -> tuple[str, bool, str]:
    for sign in ("!=", "==", "="):
        parts = _split(text, sign)
        if len(parts) > 1:
            path, value = parts[0], sign.join(parts[1:])
            if path not in resource.selectable_fields:
                raise bad_request(f"field label not supported: {path}")
            return path, sign != "!=", re.sub(r"\\(.)", r"\1", value)
    raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator that no backslash stands before."""
    return re.split(rf"(?<!\\){re.escape(separator)}", text)


def _field(obj: Object, path: str, resource: ApiResource) -> str:
    if resource.plural == "events" and path == "source":
        path = "source.component" if (obj.get("source") or {}).get("component") else "reportingComponent"
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def selection(resource: ApiResource, *, labels: str | None, fields: str | None) -> Match | None:
    """Return whether an object matches both selectors; None where there is none.

    :raises StatusError: 400, one of them cannot be understood.
    """
    checks: list[Match] = []
    if labels:
        wanted = label_selector(labels)
        checks.append(lambda obj: wanted(obj["metadata"].get("labels") or {}))
    if fields:
        checks.append(field_selector(fields, resource))
    return (lambda obj: all(check(obj) for check in checks)) if checks else None
