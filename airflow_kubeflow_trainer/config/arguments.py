"""An operator's plain arguments: text, numbers of seconds, labels. What a template made of them is checked here too."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from airflow_kubeflow_trainer.config.markers import is_template
from airflow_kubeflow_trainer.config.text import from_text
from airflow_kubeflow_trainer.exceptions import ConfigError

OBJECT_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""Names of most of Kubernetes' objects."""
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(
    r"(?:(?=[^/]{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)

_MAX_ANNOTATION_BYTES = 252 * 1024


def optional_text(value: Any, *, field: str) -> str | None:
    """Give text, or None where there is none: also where a template rendered None or nothing.

    :raises ConfigError: it is not text.
    """
    if value is None or value in ("", "None"):
        return None
    if not isinstance(value, str):
        raise ConfigError(f"{field}: must be text, not {value!r}")
    return value


def object_name(value: Any, *, field: str) -> str:
    """Give the name of one of Kubernetes' objects.

    :raises ConfigError: none can have that name.
    """
    if not isinstance(value, str) or not OBJECT_NAME.fullmatch(value):
        raise ConfigError(f"{field}: {value!r} must be a name of lower-case letters, digits, '-' and '.', at most 253")
    return value


def namespace_name(value: Any, *, field: str = "namespace") -> str | None:
    """Give the name of a namespace; None where there is none.

    :raises ConfigError: it is no name of one.
    """
    found = optional_text(value, field=field)
    if found is not None and not _NAMESPACE.fullmatch(found):
        raise ConfigError(f"{field}: {found!r} must be lower-case letters, digits and '-', at most 63")
    return found


def label(value: Any, *, field: str) -> str | None:
    """Give the value of a label; None where there is none.

    :raises ConfigError: Kubernetes would refuse it.
    """
    found = optional_text(value, field=field)
    if found is not None and not _LABEL_VALUE.fullmatch(found):
        raise ConfigError(f"{field}: {found!r} must be up to 63 letters, digits and -_.")
    return found


def truth(value: Any, *, field: str) -> bool:
    """Give True or False.

    :raises ConfigError: it is neither; text such as ``"no"`` would pass for True.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{field}: must be True or False, not {value!r}")
    return value


def one_of(value: str, choices: Sequence[str], *, field: str) -> str:
    """Give a value that must be one of some.

    :raises ConfigError: it is none of them.
    """
    if value not in choices:
        raise ConfigError(f"{field}: {value!r} is not known; it must be one of {', '.join(map(repr, choices))}")
    return value


def positive_seconds(value: Any, *, field: str) -> float | None:
    """Give a duration in seconds; None is for ever.

    :raises ConfigError: it is neither a timedelta nor a number above 0.
    """
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise ConfigError(f"{field}: must be a timedelta or a number of seconds above 0, not {value!r}")
    return float(seconds)


def patience(value: Any, *, field: str) -> dict[str, float | None]:
    """Give how many seconds each of some reasons is borne; None is for ever.

    :raises ConfigError: naming the reason whose time is wrong.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(reason, str) and reason for reason in value):
        raise ConfigError(f"{field}: must be a dict of seconds by reason, not {value!r}")
    return {
        reason: 0.0 if limit in (0, timedelta(0)) else positive_seconds(limit, field=f"{field}: {reason}")
        for reason, limit in value.items()
    }


def count(value: Any, *, field: str) -> int | None:
    """Give a number of times; None is any.

    :raises ConfigError: it is no integer, or below 0.
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ConfigError(f"{field}: must be an integer of 0 or more, not {value!r}")
    return value


def label_map(value: Any, *, field: str) -> dict[str, str]:
    """Give labels: Kubernetes wants short values of letters, digits and ``-_.``.

    :raises ConfigError: naming the label that it would refuse.
    """
    found = annotation_map(value, field=field)
    for key, item in found.items():
        if not is_template(item) and not _LABEL_VALUE.fullmatch(item):
            raise ConfigError(f"{field}: {key}={item!r} is no value of a label: up to 63 letters, digits and -_.")
    return found


def annotation_map(value: Any, *, field: str) -> dict[str, str]:
    """Give annotations: any text by valid keys.

    :raises ConfigError: naming the key or value that Kubernetes would refuse.
    """
    value = from_text(value, dict)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{field}: must be a dict of text by text, not {value!r}")
    for key, item in value.items():
        if not isinstance(key, str) or not (is_template(key) or _KEY.fullmatch(key)):
            raise ConfigError(f"{field}: {key!r} is no valid key; it must be like 'team' or 'example.com/team'")
        if not isinstance(item, str):
            raise ConfigError(f"{field}: {key} must be text, not {item!r}: write {str(item)!r}")
    size = sum(len(key.encode()) + len(item.encode()) for key, item in value.items())
    if size > _MAX_ANNOTATION_BYTES:
        raise ConfigError(f"{field}: {size} bytes, and Kubernetes keeps {_MAX_ANNOTATION_BYTES} beside our own")
    return {str(key): str(item) for key, item in value.items()}


def log_nodes(value: Any, *, field: str = "log_nodes") -> list[int] | Literal["all"]:
    """Give the ranks of nodes, or ``"all"``; none where there are none.

    :raises ConfigError: it is neither.
    """
    if value is None:
        return []
    if value == "all":
        return "all"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(f"{field}: must be 'all' or a list of ranks such as [1, 2], not {value!r}")
    for rank in value:
        if isinstance(rank, bool) or not isinstance(rank, int) or rank < 0:
            raise ConfigError(f"{field}: a rank is a whole number from 0, not {rank!r}")
    return list(value)
