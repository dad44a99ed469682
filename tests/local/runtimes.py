"""Runtimes that the local cluster does not come with."""

from __future__ import annotations

from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import NotFoundError

RESTARTS_ONCE = "fails-once"
"""A runtime like torch-distributed whose Jobs give up at the first failure."""
CLAIMS = "claims-without-policy"
"""A runtime like torch-distributed that cannot be suspended."""


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


async def claims_without_policy(api: TrainJobApi) -> str:
    """Have a runtime whose claims state no retentionPolicy, as those of Trainer's own TorchTune runtimes."""
    try:
        await api.get_runtime(CLAIMS)
    except NotFoundError:
        runtime = await api.get_runtime("torch-distributed")
        claims = (await api.get_runtime("torchtune-llama3.2-1b"))["spec"]["template"]["spec"]["volumeClaimPolicies"]
        runtime["metadata"] = {"name": CLAIMS, "labels": runtime["metadata"]["labels"]}
        runtime["spec"]["template"]["spec"]["volumeClaimPolicies"] = claims
        (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
        (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
        container["volumeMounts"] = [{"name": "initializer", "mountPath": "/workspace"}]
        await api.client.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
    return CLAIMS
