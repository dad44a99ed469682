"""What a function uses that is not its own.

The function is compiled as it will be on the cluster, alone: every name that Python then looks up among a module's is
one that will be missing there. Nothing is guessed from the text.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import copy
import dis
import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

_GIVEN = {
    *dir(builtins),
    "__annotations__",
    "__builtins__",
    "__doc__",
    "__file__",
    "__name__",
    "__package__",
    "__spec__",
}
"""What every module has."""


@dataclass(frozen=True)
class Outside:
    """Names that a function finds nowhere in itself."""

    names: Mapping[str, int]
    """Those that it runs into, each with the line where it does so first."""
    in_annotations: bool
    """Whether there are more of them in annotations, which need not be looked at."""


def names_from_outside(function: ast.FunctionDef | ast.AsyncFunctionDef, *, free: Collection[str] = ()) -> Outside:
    """Find the names that a function needs of its module or of the function around it, decorators left out.

    :param free: the variables of the function around it that it uses.
    """
    alone = copy.deepcopy(function)
    alone.decorator_list = []
    rebound = {name: line for name, line in _nonlocals(alone) if name in free}
    if rebound:
        # Alone, it is not even Python.
        return Outside(rebound, in_annotations=False)
    names = _missing(alone, __future__.annotations.compiler_flag)
    return Outside(names, in_annotations=_missing(alone, 0).keys() > names.keys())


def remedy(name: str, function: FunctionType) -> str:
    """Say what to do about a name."""
    if name in function.__code__.co_freevars:
        value = _closure(function).get(name)
        if not isinstance(value, ModuleType | type | FunctionType):
            return f"a variable of the function around it; make it an argument of {function.__name__}()"
        if isinstance(value, FunctionType) and not value.__qualname__.startswith(_holder(function)):
            return (
                f"{value.__name__}(), given to the function around it; if that is a decorator, write "
                f"'@functools.wraps({name})' in it above {function.__name__}(), and it will be taken off"
            )
    else:
        value = function.__globals__.get(name)
    if isinstance(value, ModuleType):
        alias = "" if value.__name__ == name else f" as {name}"
        return f"import it inside, by 'import {value.__name__}{alias}'"
    home = getattr(value, "__module__", None)
    if isinstance(value, type) or callable(value):
        if home and home != function.__module__:
            known_as = getattr(value, "__name__", name)
            alias = "" if known_as == name else f" as {name}"
            return f"import it inside, by 'from {home} import {known_as}{alias}'"
        return f"define it inside of {function.__name__}()"
    return f"make it an argument of {function.__name__}(), or define it inside"


def _nonlocals(function: ast.stmt) -> Iterator[tuple[str, int]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Nonlocal):
            yield from ((name, node.lineno) for name in node.names)


def _missing(function: ast.stmt, flags: int) -> dict[str, int]:
    module = ast.Module(body=[function], type_ignores=[])
    code = compile(module, "<function>", "exec", flags=flags, dont_inherit=True)
    blocks = list(_blocks(code))
    made = {name for block in blocks for name, _ in _names(block, "STORE_GLOBAL")} | {getattr(function, "name", "")}
    found: dict[str, int] = {}
    for block in blocks:
        own = {name for name, _ in _names(block, "STORE_NAME")} - {""}
        for name, line in _names(block, "LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            if name not in own | made | _GIVEN:
                found.setdefault(name, line)
    return found


def _blocks(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _blocks(constant)


def _names(code: CodeType, *operations: str) -> Iterator[tuple[str, int]]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in operations:
            line = instruction.positions.lineno if instruction.positions else None
            yield instruction.argval, line or code.co_firstlineno


def _holder(function: FunctionType) -> str:
    return function.__qualname__.rpartition(".")[0]


def _closure(function: FunctionType) -> Mapping[str, Any]:
    return inspect.getclosurevars(function).nonlocals
