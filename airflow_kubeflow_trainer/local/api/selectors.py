"""Label and field selectors: parsed once, matched often."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.status import bad_request

Object = Mapping[str, Any]
Match = Callable[[Object], bool]
_Labels = Mapping[str, str]
_Requirement = Callable[[_Labels], bool]

_KEY = r"(?P<key>(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)"
_VALUE = r"[A-Za-z0-9_.-]*"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!)\s*{_KEY.replace('key', 'absent_key')}"
    rf"|{_KEY}\s*(?:(?P<sign>==|!=|=|<|>)\s*(?P<value>{_VALUE})"
    rf"|\s(?P<word>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)


def label_selector(text: str) -> _Requirement:
    """Parse a label selector such as ``a=b,c!=d,e in (f,g),h,!i,j>1``.

    :return: whether some labels match.
    :raises StatusError: 400, it is no selector.
    """
    requirements = []
    position = 0
    while position < len(text):
        found = _REQUIREMENT.match(text, position)
        if found is None or (found.end() == len(text) and text.rstrip().endswith(",")):
            raise bad_request(f"unable to parse requirement: found '{text[position:].strip()}', in selector '{text}'")
        requirements.append(_requirement(found))
        position = found.end()
    return lambda labels: all(requirement(labels) for requirement in requirements)


def _requirement(found: re.Match[str]) -> _Requirement:
    if found["absent"]:
        absent = found["absent_key"]
        return lambda labels: absent not in labels
    key, sign = found["key"], found["sign"]
    if found["word"]:
        allowed = {value.strip() for value in found["values"].split(",")}
        return _one_of(key, allowed) if found["word"] == "in" else _none_of(key, allowed)
    if sign is None:
        return lambda labels: key in labels
    if sign in ("<", ">"):
        return _compared(key, sign, found["value"])
    return _none_of(key, {found["value"]}) if sign == "!=" else _one_of(key, {found["value"]})


def _one_of(key: str, values: set[str]) -> _Requirement:
    return lambda labels: labels.get(key) in values


def _none_of(key: str, values: set[str]) -> _Requirement:
    return lambda labels: labels.get(key) not in values


def _compared(key: str, sign: str, value: str) -> _Requirement:
    if not re.fullmatch(r"-?\d+", value):
        raise bad_request(f"unable to parse requirement: values[0]: Invalid value: {value!r}: must be an integer")
    bound = int(value)

    def matches(labels: _Labels) -> bool:
        present = labels.get(key, "")
        if not re.fullmatch(r"-?\d+", present):
            return False
        return int(present) > bound if sign == ">" else int(present) < bound

    return matches


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
