"""Types of the command line's options: what is wrong is refused before anything starts."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from pathlib import Path

from airflow_kubeflow_trainer.local.quantity import parse_quantity

LAST_PORT = 65535


def pair(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``."""
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise ArgumentTypeError(f"{text!r} must be NAME=VALUE")
    return name, value


def capacity(text: str) -> tuple[str, str]:
    """Read ``RESOURCE=QUANTITY``."""
    name, value = pair(text)
    try:
        amount = parse_quantity(value)
    except ValueError as error:
        raise ArgumentTypeError(f"{name}: {error}") from None
    if amount < 0:
        raise ArgumentTypeError(f"{name}: {value} must not be negative")
    return name, value


def image(text: str) -> tuple[str, Path]:
    """Read ``PATTERN=PATH``; the path is that of a Python environment."""
    pattern, value = pair(text)
    path = Path(value).expanduser().absolute()
    if not (path / "bin").is_dir():
        raise ArgumentTypeError(f"{pattern}: {path} is no Python environment: there is no folder {path / 'bin'}")
    return pattern, path


def folder(text: str) -> Path:
    """Read the path of a folder that is there or can be made."""
    path = Path(text).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise ArgumentTypeError(f"{path} is no folder")
    return path


def name(text: str) -> str:
    """Read the name of a node."""
    if not text:
        raise ArgumentTypeError("a node has a name")
    return text


def seconds(text: str) -> float:
    """Read a duration; 0 is one."""
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} must be a number of seconds") from None
    if not (math.isfinite(value) and value >= 0):
        raise ArgumentTypeError(f"{text} must be 0 or more seconds")
    return value


def port(text: str) -> int:
    """Read a port's number; 0 leaves the choice open."""
    if not (text.isascii() and text.isdecimal() and int(text) <= LAST_PORT):
        raise ArgumentTypeError(f"{text!r} must be a number from 0 to {LAST_PORT}")
    return int(text)
