"""Label selectors, understood as Kubernetes understands them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from airflow_kubeflow_trainer.exceptions import ConfigError

Labels = Mapping[str, str]
Selector = Callable[[Labels], bool]

_KEY = r"(?P<key>(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)"
_VALUE = r"[A-Za-z0-9_.-]*"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!)\s*{_KEY.replace('key', 'absent_key')}"
    rf"|{_KEY}\s*(?:(?P<sign>==|!=|=|<|>)\s*(?P<value>{_VALUE})"
    rf"|\s(?P<word>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)


def parse_selector(text: str) -> Selector:
    """Parse a label selector such as ``a=b,c!=d,e in (f,g),h,!i,j>1``.

    :return: whether some labels match.
    :raises ConfigError: it is no selector; in the API server's words.
    """
    requirements = []
    position = 0
    while position < len(text):
        found = _REQUIREMENT.match(text, position)
        if found is None or (found.end() == len(text) and text.rstrip().endswith(",")):
            raise ConfigError(f"unable to parse requirement: found '{text[position:].strip()}', in selector '{text}'")
        requirements.append(_requirement(found))
        position = found.end()
    return lambda labels: all(requirement(labels) for requirement in requirements)


def check_selector(text: str, *, field: str = "label_selector") -> str:
    """Refuse what is no label selector.

    :raises ConfigError: naming the field.
    """
    try:
        parse_selector(text)
    except ConfigError as error:
        raise ConfigError(f"{field}: {error}; write it like 'team=nlp,stage in (a, b)'") from error
    return text


def _requirement(found: re.Match[str]) -> Selector:
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


def _one_of(key: str, values: set[str]) -> Selector:
    return lambda labels: labels.get(key) in values


def _none_of(key: str, values: set[str]) -> Selector:
    return lambda labels: labels.get(key) not in values


def _compared(key: str, sign: str, value: str) -> Selector:
    if not re.fullmatch(r"-?\d+", value):
        raise ConfigError(f"unable to parse requirement: values[0]: Invalid value: {value!r}: must be an integer")
    bound = int(value)

    def matches(labels: Labels) -> bool:
        present = labels.get(key, "")
        if not re.fullmatch(r"-?\d+", present):
            return False
        return int(present) > bound if sign == ">" else int(present) < bound

    return matches
