"""A training function: its source as it was written, and what cannot go to a cluster."""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from airflow_kubeflow_trainer.config.outside import names_from_outside, remedy
from airflow_kubeflow_trainer.exceptions import ConfigError


@dataclass(frozen=True)
class TrainingFunction:
    """A function that can run elsewhere."""

    name: str
    source: str
    """From ``def`` to its last line, as it stands in its file, indentation included; without decorators."""
    file: str
    line: int
    """Where ``def`` stands in the file."""
    lazy_annotations: bool
    """Whether annotations are kept as text: the file says so, or they name what exists in that file only."""


def read_function(func: Any, *, field: str = "func") -> TrainingFunction:
    """Read a function's source, and refuse what would not run elsewhere.

    :raises ConfigError: naming what was wrong, and the remedy.
    """
    function = plain_function(func, field=field)
    lines, node = _definition(function, field)
    imported_lazily = bool(function.__code__.co_flags & __future__.annotations.compiler_flag)
    found = names_from_outside(node, free=function.__code__.co_freevars)
    if found.names:
        uses = "; ".join(f"{name} (line {line}): {remedy(name, function)}" for name, line in found.names.items())
        raise ConfigError(f"{field}: {node.name}() uses what is defined outside of it, and stays there: {uses}")
    return TrainingFunction(
        name=node.name,
        source="".join(lines[node.lineno - 1 : node.end_lineno]),
        file=function.__code__.co_filename,
        line=node.lineno,
        lazy_annotations=imported_lazily or found.in_annotations,
    )


def plain_function(func: Any, *, field: str = "func") -> FunctionType:
    """Give the function itself, out of its decorators.

    :raises ConfigError: it is something else, or one whose result would be no result.
    """
    if isinstance(func, functools.partial):
        raise ConfigError(
            f"{field}: is a functools.partial; give its function {_name(func.func)}, and the arguments in func_args"
        )
    if inspect.ismethod(func):
        raise ConfigError(f"{field}: {_name(func)} is a method, whose object would stay here; give a plain function")
    function = inspect.unwrap(func) if callable(func) and not isinstance(func, type) else func
    if not isinstance(function, FunctionType):
        raise ConfigError(f"{field}: {_what_else(function)}; give a function that is written by 'def'")
    if function.__code__.co_name == "<lambda>":
        raise ConfigError(f"{field}: is a lambda; write it as a function by 'def', which has a name and lines to show")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"{field}: {_name(function)} is a generator, of which nothing would run; use 'return' in place of 'yield'"
        )
    if _is_in_class(function):
        raise ConfigError(f"{field}: {_name(function)} is a method; give a function outside of classes")
    return function


def _what_else(value: Any) -> str:
    if inspect.isbuiltin(value):
        return f"{_name(value)} is built in, and has no source in Python"
    if isinstance(value, type):
        return f"{value.__qualname__} is a class"
    if callable(value):
        return f"is an object of {type(value).__qualname__} that can be called"
    return f"must be a function, not {value!r}"


def _is_in_class(function: FunctionType) -> bool:
    parameters = list(inspect.signature(function).parameters)
    holder = function.__qualname__.rpartition(".")[0]
    return bool(holder) and not holder.endswith("<locals>") and parameters[:1] in (["self"], ["cls"])


def _name(func: Callable[..., Any]) -> str:
    return f"{getattr(func, '__qualname__', None) or type(func).__qualname__}()"


def _definition(function: FunctionType, field: str) -> tuple[list[str], ast.FunctionDef | ast.AsyncFunctionDef]:
    code = function.__code__
    try:
        lines, _ = inspect.findsource(function)
        tree = ast.parse("".join(lines))
    except (OSError, SyntaxError):
        raise ConfigError(
            f"{field}: the source of {_name(function)} is not to be found in {code.co_filename!r}; it must be in a file"
        ) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            # Python counts a function's lines from its first decorator.
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                return lines, node
    raise ConfigError(
        f"{field}: {_name(function)} is not in line {code.co_firstlineno} of {code.co_filename!r} any more; parse the "
        "DAG anew"
    )
