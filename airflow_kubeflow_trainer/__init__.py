"""Airflow provider for Kubeflow Trainer v2.

Importing this package imports nothing else; each public name is resolved when it is first used, so that a DAG file pays
only for what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook as KubeflowTrainerHook
    from airflow_kubeflow_trainer.operators.builtin import BuiltinTrainerOperator as BuiltinTrainerOperator
    from airflow_kubeflow_trainer.operators.custom import CustomTrainerOperator as CustomTrainerOperator
    from airflow_kubeflow_trainer.sensors.trainjob import TrainJobSensor as TrainJobSensor
    from airflow_kubeflow_trainer.triggers.trainjob_event import TrainJobEventTrigger as TrainJobEventTrigger

__version__ = "0.1.0.dev0"

_HOMES = {
    "BuiltinTrainerOperator": "airflow_kubeflow_trainer.operators.builtin",
    "CustomTrainerOperator": "airflow_kubeflow_trainer.operators.custom",
    "KubeflowTrainerHook": "airflow_kubeflow_trainer.hooks.trainer",
    "TrainJobEventTrigger": "airflow_kubeflow_trainer.triggers.trainjob_event",
    "TrainJobSensor": "airflow_kubeflow_trainer.sensors.trainjob",
}

__all__ = [
    "BuiltinTrainerOperator",
    "CustomTrainerOperator",
    "KubeflowTrainerHook",
    "TrainJobEventTrigger",
    "TrainJobSensor",
    "__version__",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
