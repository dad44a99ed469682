"""How a training function is called: its author's arguments, and what it asks of Airflow's context by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from airflow_kubeflow_trainer.config.function import plain_function
from airflow_kubeflow_trainer.config.payload import encode
from airflow_kubeflow_trainer.exceptions import ConfigError

CARRIED = frozenset(
    {
        "data_interval_end", "data_interval_start", "ds", "ds_nodash", "expanded_ti_count", "logical_date",
        "map_index_template", "params", "partition_date", "partition_key", "prev_data_interval_end_success",
        "prev_data_interval_start_success", "prev_end_date_success", "prev_start_date_success", "run_id",
        "task_instance_key_str", "task_reschedule_count", "test_mode", "try_number", "ts", "ts_nodash",
        "ts_nodash_with_tz",
    }
)  # fmt: skip
"""What of Airflow's context is plain data."""


def check_values(values: Any, *, what: str) -> None:
    """Refuse arguments that cannot travel; templates and XComArgs among them are not looked at.

    :raises ConfigError: naming the argument.
    """
    encode(values, field=what, rendered=False)


def encoded(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Turn rendered arguments into what travels.

    :raises ConfigError: naming the argument that cannot.
    """
    return (
        [encode(value, field=f"argument {number}", rendered=True) for number, value in enumerate(args, start=1)],
        {name: encode(value, field=f"argument {name}", rendered=True) for name, value in kwargs.items()},
    )


def check_call(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse a call that cannot be made.

    :raises ConfigError: naming the argument.
    """
    function = plain_function(func)
    signature = inspect.signature(function)
    try:
        given = signature.bind_partial(*args, **kwargs).arguments
    except TypeError as error:
        raise ConfigError(f"func_args: {function.__name__}() {error}") from None
    for name in _context_names(func, args, kwargs):
        if name not in CARRIED:
            raise ConfigError(
                f"func: {function.__name__}() asks for {name!r}, an object of Airflow's that cannot go to the cluster; "
                "pass what it needs of it, for example by a template: run_id='{{ run_id }}'"
            )
    asked = {name for name, parameter in signature.parameters.items() if _is_needed(parameter)}
    missing = sorted(asked - given.keys() - KNOWN_CONTEXT_KEYS)
    if missing:
        raise ConfigError(f"func_args: {function.__name__}() needs {', '.join(map(repr, missing))}, which is not given")


def from_context(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], context: Mapping[str, Any]
) -> dict[str, Any]:
    """Give what a function asks of Airflow's context by the names of its parameters."""
    names = _context_names(func, args, kwargs)
    return {name: _plain(context.get(name)) for name in names if name in CARRIED}


def _context_names(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
    """List the parameters that are left to the context."""
    parameters = list(inspect.signature(plain_function(func)).parameters.values())[len(args) :]
    asked = [parameter.name for parameter in parameters if not _is_variadic(parameter)]
    return [name for name in asked if name in KNOWN_CONTEXT_KEYS and name not in kwargs]


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty and not _is_variadic(parameter)


def _is_variadic(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _plain(value: Any) -> Any:
    # `params` may be Airflow's own kind of mapping.
    return dict(value) if isinstance(value, Mapping) else value
