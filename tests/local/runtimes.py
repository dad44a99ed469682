"""Runtimes that the local cluster does not come with."""

from __future__ import annotations

from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import NotFoundError

RESTARTS_ONCE = "fails-once"
"""A runtime like torch-distributed whose Jobs give up at the first failure."""


async def gives_up_at_once(api: TrainJobApi) -> str:
    """Have a runtime whose Jobs fail with their first container: no test need wait for seven, and the pod stays."""
    try:
        await api.get_runtime(RESTARTS_ONCE)
    except NotFoundError:
        runtime = await api.get_runtime("torch-distributed")
        runtime["metadata"] = {"name": RESTARTS_ONCE, "labels": runtime["metadata"]["labels"]}
        (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
        job["template"]["spec"]["backoffLimit"] = 0
        job["template"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"
        await api.client.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
    return RESTARTS_ONCE
