"""Label and field selectors: which objects a list, a watch or a deletion means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_kubeflow_trainer.local.status import bad_request

Predicate = Callable[[Mapping[str, Any]], bool]
"""Says whether an object is meant."""

_TOKEN = re.compile(r"\s*(\(|\)|,|==|=|!=|!|<|>|[^\s(),=!<>]+)")
_KEY = re.compile(r"([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?/)?[a-zA-Z0-9]([-\w.]{0,61}[a-zA-Z0-9])?", re.ASCII)
_VALUE = re.compile(r"([a-zA-Z0-9]([-\w.]{0,61}[a-zA-Z0-9])?)?", re.ASCII)

_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_MORE_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "source",
        "type",
    ),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "secrets": ("type",),
}


def everything(_: Mapping[str, Any]) -> bool:
    """Select all objects."""
    return True


def label_selector(text: str) -> Predicate:
    """Parse a label selector: ``a=b,c!=d,e in (f,g),h notin (i),j,!k``.

    :raises StatusError: 400, it is none.
    """
    tokens = _tokens(text)
    requirements: list[Callable[[Mapping[str, str]], bool]] = []
    while tokens:
        requirements.append(_requirement(tokens, text))
        if tokens and (tokens.pop(0) != "," or not tokens):
            raise _unparsable(text, "expected ',' between requirements")

    def matches(obj: Mapping[str, Any]) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return matches


def field_selector(text: str, resource: str) -> Predicate:
    """Parse a field selector of ``field=value``, ``==`` and ``!=`` terms.

    :param resource: plural of the resource, which decides about the fields.
    :raises StatusError: 400, it is none, or the resource has no such field to select by.
    """
    terms: list[tuple[str, str, bool]] = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, value = match[1], match[2], match[3]
        if field not in _COMMON_FIELDS + _MORE_FIELDS.get(resource, ()):
            raise bad_request(f'Unable to find "{resource}" that match label selector "", field selector "{text}": '
                              f"field label not supported: {field}")  # fmt: skip
        terms.append((field, value, operator != "!="))
    return lambda obj: all((_field(obj, field) == value) is wanted for field, value, wanted in terms)


def _field(obj: Mapping[str, Any], path: str) -> str:
    value: Any = obj
    if path == "source" and isinstance(obj.get("source"), dict):
        path = "source.component"
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "false" if path == "spec.unschedulable" else ""
    return str(value)


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unparsable(text, f"unexpected character at position {position}")
        tokens.append(match[1])
        position = match.end()
    return tokens


def _requirement(tokens: list[str], text: str) -> Callable[[Mapping[str, str]], bool]:
    absent = tokens[0] == "!"
    if absent:
        tokens.pop(0)
    key = _checked(tokens.pop(0) if tokens else "", _KEY, text, "label key")
    operator = tokens[0] if tokens else ","
    if absent:
        return lambda labels: key not in labels
    if operator == ",":
        return lambda labels: key in labels
    tokens.pop(0)
    if operator in ("=", "==", "!="):
        value = tokens.pop(0) if tokens and tokens[0] != "," else ""
        _checked(value, _VALUE, text, "label value")
        wanted = operator != "!="
        return lambda labels: (labels.get(key) == value) is wanted
    if operator in ("in", "notin"):
        values = _values(tokens, text)
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if operator in ("<", ">"):
        return _comparison(key, operator, tokens.pop(0) if tokens else "", text)
    raise _unparsable(text, f"found '{operator}', expected: in, notin, =, ==, !=, <, >")


def _comparison(key: str, operator: str, bound: str, text: str) -> Callable[[Mapping[str, str]], bool]:
    if not re.fullmatch(r"[+-]?\d+", bound, re.ASCII):
        raise _unparsable(text, f"'{bound}' is not an integer")

    def matches(labels: Mapping[str, str]) -> bool:
        value = labels.get(key, "")
        if not re.fullmatch(r"[+-]?\d+", value, re.ASCII):
            return False
        return int(value) < int(bound) if operator == "<" else int(value) > int(bound)

    return matches


def _values(tokens: list[str], text: str) -> set[str]:
    if not tokens or tokens.pop(0) != "(":
        raise _unparsable(text, "expected '(' after in or notin")
    values, last = set(), ""
    while tokens:
        token = tokens.pop(0)
        if token in (",", ")"):
            values.add(_checked(last, _VALUE, text, "label value"))
            last = ""
            if token == ")":
                return values
        elif last:
            break
        else:
            last = token
    raise _unparsable(text, "expected ',' or ')' in a list of values")


def _checked(token: str, pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(token):
        raise _unparsable(text, f"'{token}' is not a {what}")
    return token


def _unparsable(text: str, problem: str) -> Exception:
    return bad_request(f"unable to parse requirement in '{text}': {problem}")
