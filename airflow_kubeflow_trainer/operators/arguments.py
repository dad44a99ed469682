"""An operator's arguments that are checked by themselves, in plain and in mapped tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_kubeflow_trainer.config.actions import OnFinishAction, OnKillAction, choice
from airflow_kubeflow_trainer.config.arguments import (
    annotation_map,
    count,
    label,
    label_map,
    log_nodes,
    namespace_name,
    one_of,
    optional_text,
    patience,
    positive_seconds,
    truth,
)
from airflow_kubeflow_trainer.config.base import ConfigModel
from airflow_kubeflow_trainer.config.template import as_template, as_template_list, has_templates
from airflow_kubeflow_trainer.exceptions import ConfigError

CONFIG_LISTS = frozenset({"runtime_patches"})
"""Arguments that are lists of configs."""

RUNTIME_KINDS = ("ClusterTrainingRuntime", "TrainingRuntime")

CHECKED: Mapping[str, Callable[..., Any]] = {
    "runtime_kind": lambda value, field: one_of(value, RUNTIME_KINDS, field=field),
    "kubernetes_conn_id": optional_text,
    "namespace": namespace_name,
    "in_cluster": truth,
    "config_file": optional_text,
    "cluster_context": optional_text,
    "name": optional_text,
    "labels": label_map,
    "annotations": annotation_map,
    "queue_name": label,
    "workload_priority_class": label,
    "get_logs": truth,
    "log_nodes": log_nodes,
    "deferrable": truth,
    "admission_timeout": positive_seconds,
    "startup_timeout": positive_seconds,
    "startup_patience": patience,
    "run_timeout": positive_seconds,
    "max_restarts": count,
    "on_finish_action": lambda value, field: choice(value, OnFinishAction, field=field),
    "on_kill_action": lambda value, field: choice(value, OnKillAction, field=field),
}

_NEVER_NONE = frozenset({"runtime_kind", "get_logs", "deferrable", "on_finish_action", "on_kill_action"})
"""Arguments that cannot be left out by None."""

_NEVER_RENDERED = _NEVER_NONE | {
    "in_cluster", "admission_timeout", "startup_timeout", "startup_patience", "run_timeout", "max_restarts",
    "log_nodes",
}  # fmt: skip
"""Arguments that are no template fields of the operators."""


def config_as_template(name: str, value: Any, model: type[ConfigModel]) -> Any:
    """Turn a config argument into what Airflow can store and render.

    :raises ConfigError: a field is wrong.
    """
    convert = as_template_list if name in CONFIG_LISTS else as_template
    return convert(value, model, field=name)


def check_argument(name: str, value: Any) -> None:
    """Refuse an argument that is wrong in itself; what is left out, or will be rendered, is not looked at.

    :raises ConfigError: naming the argument, and what would be right.
    """
    if name in _NEVER_RENDERED and has_templates(value):
        raise ConfigError(f"{name}: must not be a template or an XComArg, since Airflow does not render it")
    left_out = value is None and name not in _NEVER_NONE
    if name in CHECKED and not left_out and not has_templates(value):
        CHECKED[name](value, field=name)
