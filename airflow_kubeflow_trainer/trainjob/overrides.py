"""TorchTune's command line: ``key=value`` arguments that arrive exactly as they were meant.

Three readers stand in the way. Kubernetes expands ``$(X)`` and ``$$`` in arguments; TorchTune splits each at ``=`` and
takes ``None`` for null; what is left is read as YAML, with OmegaConf's interpolations (``${key}``). So text is written
as YAML's double-quoted scalars, in which any character has an escape. An interpolation is TorchTune's to resolve:
whether its config has that key is found out in the pod.
Source: torchtune 0.6.1 torchtune/config/_utils.py, _merge_yaml_and_cli_args.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from airflow_kubeflow_trainer.config.kubernetes import MAX_ARGUMENTS
from airflow_kubeflow_trainer.config.values import spelt_out
from airflow_kubeflow_trainer.exceptions import ConfigError

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+|\[\d+\])*")
_WORD = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"}
_INTERPOLATIONS = re.compile(r"([^$]|\$(?!\{)|\$\{[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*\})*")

MAX_BYTES = 128 * 1024
"""Length of an argument, its end included, with which Linux starts no process."""

_MISSING = "???"
"""OmegaConf's mark of a value that is still to be given."""


def arguments(overrides: Mapping[str, Any]) -> list[str]:
    """Write overrides as arguments, in the order given.

    :param overrides: values by dotted key; ``~key`` with None deletes a key.
    :raises ConfigError: a key or value that TorchTune's command line cannot carry.
    """
    found = [_argument(key, value) for key, value in spelt_out(overrides)]
    if len(found) > MAX_ARGUMENTS:
        raise ConfigError(f"config: makes {len(found)} arguments of TorchTune's, and a TrainJob takes {MAX_ARGUMENTS}")
    return found


def _argument(key: str, value: Any) -> str:
    name = key.removeprefix("~")
    if not _KEY.fullmatch(name) or name == "config":
        raise ConfigError(
            f"config.overrides: {key!r} is no key of TorchTune's; keys are names with dots, like 'optimizer.lr'"
        )
    if key.startswith("~"):
        return key
    if "max_filename" in key and not isinstance(value, str):
        raise ConfigError(f"config: {key} takes text, not {value!r}: TorchTune keeps its leading zeros")
    return _short_enough(f"{key}={_encode(value, key)}", key)


def _short_enough(argument: str, key: str) -> str:
    size = len(argument.encode())
    if size >= MAX_BYTES:
        raise ConfigError(
            f"config: {key} takes {size} bytes, and Linux starts no process with {MAX_BYTES} in one argument"
        )
    return argument


def _encode(value: Any, key: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value)
    # NumPy's numbers are such too, and their repr is no number to YAML.
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return _encode_float(float(value))
    if isinstance(value, str):
        return _encode_text(value, key)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_encode(item, key) for item in value) + "]"
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return "{" + ",".join(f"{_quote(name, key)}: {_encode(item, key)}" for name, item in value.items()) + "}"
    raise ConfigError(
        f"config: {key} is {value!r} ({type(value).__name__}); TorchTune reads text, numbers, true, false, null, "
        "lists, and dicts with text for keys"
    )


def _encode_float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"


def _encode_text(value: str, key: str) -> str:
    if value == _MISSING:
        raise ConfigError(f"config: {key} is {value!r}, by which TorchTune's reader means that a value is missing")
    if _WORD.fullmatch(value) and value.lower() not in _YAML_WORDS:
        return value
    return _quote(value, key)


def _quote(value: str, key: str) -> str:
    if not _INTERPOLATIONS.fullmatch(value):
        raise ConfigError(
            f"config: {key} holds '${{', which begins an interpolation of TorchTune's ('${{output_dir}}/logs', with "
            f"the value of a key of its config); other text with it cannot be passed: {value!r}"
        )
    return '"' + "".join(_escape(character, key) for character in value) + '"'


def _escape(character: str, key: str) -> str:
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise ConfigError(f"config: {key} holds half a character (U+{code:04X}), which is no text")
    if character in '"\\':
        return "\\" + character
    if character.isprintable() and character not in "=$":
        return character
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
