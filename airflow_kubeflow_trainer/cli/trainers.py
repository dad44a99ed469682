"""Which of a TrainJob's replicated jobs trains: its runtime says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ApiError
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView

USUAL = "node"
"""In all runtimes that Trainer ships; taken where the runtime is gone, or may not be read."""


async def trainer_jobs(api: TrainJobApi) -> Callable[[Mapping[str, Any]], str]:
    """Read all runtimes, and give what names the job of a TrainJob that trains."""
    try:
        views = [RuntimeView.from_object(runtime) for runtime in await api.list_runtimes()]
    except ApiError:
        views = []
    known = {(view.kind, view.name): view.trainer_job for view in views}
    return lambda trainjob: known.get(_reference(trainjob), USUAL)


async def trainer_job(api: TrainJobApi, trainjob: Mapping[str, Any]) -> str:
    """Name the job of one TrainJob that trains."""
    kind, name = _reference(trainjob)
    try:
        return RuntimeView.from_object(await api.get_runtime(name, kind=kind)).trainer_job
    except ApiError:
        return USUAL


def _reference(trainjob: Mapping[str, Any]) -> tuple[str, str]:
    reference = trainjob["spec"]["runtimeRef"]
    return reference.get("kind", CLUSTER_TRAINING_RUNTIMES.kind), reference["name"]
