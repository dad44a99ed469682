"""How configs live in Airflow's template fields.

Airflow stores, shows and renders plain data only, and searches lists and dicts for XComArgs, never objects. So an
operator keeps :func:`as_template` of what its author wrote, and reads it back by :func:`from_template` once it is
rendered.
"""

from __future__ import annotations

from typing import Any, TypeVar

from airflow_kubeflow_trainer.config.base import ConfigModel
from airflow_kubeflow_trainer.config.markers import has_templates, is_template
from airflow_kubeflow_trainer.config.text import from_text
from airflow_kubeflow_trainer.exceptions import ConfigError

Model = TypeVar("Model", bound=ConfigModel)

__all__ = ["as_template", "as_template_list", "from_template", "from_template_list", "has_templates"]


def as_template(value: Any, model: type[ConfigModel], *, field: str) -> Any:
    """Turn a model, a dict, or an object with the same attributes into plain data, and check what can be checked.

    :param field: the operator's argument, for messages.
    :raises ConfigError: a field is wrong that holds neither a template nor an XComArg.
    """
    if value is None or is_template(value):
        return value
    return model.parse(value, field=field, rendered=False).plain()


def as_template_list(values: Any, model: type[ConfigModel], *, field: str) -> Any:
    """As :func:`as_template`, for a list of configs."""
    if values is None or is_template(values):
        return values
    if not isinstance(values, list | tuple):
        raise ConfigError(f"{field}: must be a list, not {values!r}")
    return [as_template(value, model, field=f"{field}.{index}") for index, value in enumerate(values)]


def from_template(model: type[Model], value: Any, *, field: str) -> Model | None:
    """Check rendered data in full and make the model of it; None where there is none.

    :raises ConfigError: naming each field that is wrong.
    """
    value = from_text(value, model)
    return None if value is None else model.parse(value, field=field, rendered=True)


def from_template_list(model: type[Model], values: Any, *, field: str) -> list[Model]:
    """As :func:`from_template`, for a list of configs."""
    values = from_text(values, list) or []
    if not isinstance(values, list | tuple):
        raise ConfigError(f"{field}: must be a list, not {values!r}")
    found = (from_template(model, value, field=f"{field}.{index}") for index, value in enumerate(values))
    return [value for value in found if value is not None]
