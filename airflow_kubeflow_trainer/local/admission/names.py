"""Kubernetes' rules for names, labels and annotations."""

from __future__ import annotations

import re
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import (
    ErrorType,
    FieldError,
    invalid,
    required,
)

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    f" end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
DNS_1123_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    f" an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
DNS_1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
    " '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED_MESSAGE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    " character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
    " '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_CONFIG_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or"
    " 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
ANNOTATIONS_LIMIT_BYTES = 256 * 1024


def metadata_errors(metadata: dict[str, Any], path: str = "metadata") -> list[FieldError]:
    """Check an object's name, labels and annotations."""
    errors: list[FieldError] = []
    name = metadata.get("name")
    prefix = metadata.get("generateName")
    if prefix:
        # What the server appends makes a trailing dash good.
        errors += [invalid(f"{path}.generateName", prefix, why) for why in subdomain_problems(prefix.rstrip("-") + "a")]
    if name:
        errors += [invalid(f"{path}.name", name, why) for why in subdomain_problems(name)]
    elif not prefix:
        errors.append(required(f"{path}.name", "name or generateName is required"))
    errors += label_errors(metadata.get("labels") or {}, f"{path}.labels")
    errors += annotation_errors(metadata.get("annotations") or {}, f"{path}.annotations")
    return errors


def label_errors(labels: dict[str, str], path: str) -> list[FieldError]:
    """Check labels, keys first and values next, in the order of the keys."""
    errors = []
    for key, value in sorted(labels.items()):
        errors += [invalid(path, key, why) for why in qualified_name_problems(key)]
        errors += [invalid(path, value, why) for why in label_value_problems(value)]
    return errors


def annotation_errors(annotations: dict[str, str], path: str) -> list[FieldError]:
    errors = [invalid(path, key, why) for key in sorted(annotations) for why in qualified_name_problems(key.lower())]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATIONS_LIMIT_BYTES:
        detail = f"may not be more than {ANNOTATIONS_LIMIT_BYTES} bytes"
        errors.append(FieldError(type=ErrorType.TOO_LONG, field=path, detail=detail))
    return errors


def subdomain_problems(value: str) -> list[str]:
    """Say what keeps a value from being an RFC 1123 subdomain; an empty list when it is one."""
    return _too_long(value, 253) + _mismatch(_SUBDOMAIN, value, SUBDOMAIN_MESSAGE)


def dns_1123_label_problems(value: str) -> list[str]:
    return _too_long(value, 63) + _mismatch(_LABEL, value, DNS_1123_MESSAGE)


def dns_1035_label_problems(value: str) -> list[str]:
    return _too_long(value, 63) + _mismatch("[a-z]([-a-z0-9]*[a-z0-9])?", value, DNS_1035_MESSAGE)


def label_value_problems(value: str) -> list[str]:
    return _too_long(value, 63) + _mismatch(_LABEL_VALUE, value, _LABEL_VALUE_MESSAGE)


def qualified_name_problems(value: str) -> list[str]:
    """Say what keeps a value from being a label's or annotation's key: an optional domain and a name."""
    *prefixes, name = value.split("/")
    if len(prefixes) > 1:
        return [
            "a qualified name "
            + _QUALIFIED_MESSAGE.removeprefix("name part ")[:-1]
            + ") with an optional DNS subdomain"
            " prefix and '/' (e.g. 'example.com/MyName')"
        ]
    problems = []
    for prefix in prefixes:
        if not prefix:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {why}" for why in subdomain_problems(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    problems += [f"name part {why}" for why in _too_long(name, 63)]
    return problems + _mismatch(_QUALIFIED, name, _QUALIFIED_MESSAGE)


def config_key_problems(value: str) -> list[str]:
    """Say what keeps a value from being a key of a Secret or ConfigMap."""
    problems = _too_long(value, 253) + _mismatch("[-._a-zA-Z0-9]+", value, _CONFIG_KEY_MESSAGE)
    if value in (".", ".."):
        problems.append(f"must not be '{value}'")
    elif value.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def domain_prefixed_path_errors(path: str, value: str) -> list[FieldError]:
    """Check a value such as ``acme.io/foo``."""
    if not value:
        return [required(path)]
    host, _, rest = value.partition("/")
    if not host or not rest:
        return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    errors = [invalid(path, host, why) for why in subdomain_problems(host)]
    if not re.fullmatch(_HTTP_PATH, rest):
        errors.append(
            invalid(
                path,
                rest,
                f"Invalid path (regex used for validation is '{_HTTP_PATH}')",
            )
        )
    return errors


def _too_long(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} characters"] if len(value.encode()) > limit else []


def _mismatch(pattern: str, value: str, message: str) -> list[str]:
    return [] if re.fullmatch(pattern, value) else [message]
