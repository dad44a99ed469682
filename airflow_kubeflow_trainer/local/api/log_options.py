"""The options of a log request, checked before any kubelet is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from airflow_kubeflow_trainer.local.status import StatusError, bad_request

_LOWEST = {"sinceSeconds": 1, "tailLines": 0, "limitBytes": 1}
_INT64 = 2**63
_KIND = "PodLogOptions"


def check(query: Mapping[str, str], *, pod: str) -> None:
    """Refuse options that mean nothing.

    :raises StatusError: 400, one cannot be read; 422, its value is not allowed.
    """
    problems: list[tuple[str, str, str]] = []
    for name, lowest in _LOWEST.items():
        if query.get(name) and (value := _integer(query[name])) < lowest:
            bound = f"greater than or equal to {lowest}" if lowest == 0 else "greater than 0"
            problems.append((name, "FieldValueInvalid", f"Invalid value: {value}: must be {bound}"))
    if query.get("sinceTime"):
        _check_time(query["sinceTime"])
        if query.get("sinceSeconds"):
            words = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            problems.insert(0, ("", "FieldValueForbidden", words))
    if problems:
        raise _invalid(problems, pod)


def _integer(text: str) -> int:
    try:
        value = int(text) if text.isascii() else None
    except ValueError:
        value = None
    if value is None or "_" in text or text != text.strip():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if not -_INT64 <= value < _INT64:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def _check_time(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        layout = "2006-01-02T15:04:05Z07:00"
        raise bad_request(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"') from None


def _invalid(problems: list[tuple[str, str, str]], pod: str) -> StatusError:
    # Of what is wrong with the options as a whole Kubernetes writes "[]" for the field.
    told = [f"{field or '[]'}: {words}" for field, _, words in problems]
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    causes = [{"reason": reason, "message": words, "field": field or "[]"} for field, reason, words in problems]
    details = {"kind": _KIND, "name": pod}
    return StatusError(422, "Invalid", f'{_KIND} "{pod}" is invalid: {text}', details=details, causes=causes)
