"""What a real kube-apiserver says of pods that a namespace does not permit, and what is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.diagnosing import examine
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause, Diagnosis

Prepare = Callable[[TrainJobApi], Awaitable[dict[str, Any]]]
"""Makes a rule of the namespace; gives what the TrainJob says more."""


async def a_quota_that_is_used_up(api: TrainJobApi) -> dict[str, Any]:
    await _quota(api, {"pods": "2"}, used={"pods": "2"})
    return {}


async def a_quota_that_wants_resources(api: TrainJobApi) -> dict[str, Any]:
    await _quota(api, {"limits.cpu": "4"}, used={"limits.cpu": "0"})
    return {}


async def _quota(api: TrainJobApi, hard: dict[str, str], *, used: dict[str, str]) -> None:
    path = f"/api/v1/namespaces/{api.namespace}/resourcequotas"
    await api.client.create(path, _object("ResourceQuota", "gpus", spec={"hard": hard}))
    # In place of its controller, which the control plane of the tests is without.
    await api.client.patch(f"{path}/gpus/status", {"status": {"hard": hard, "used": used}})


async def a_limit_of_memory(api: TrainJobApi) -> dict[str, Any]:
    limit = {"type": "Container", "max": {"memory": "4Gi"}}
    path = f"/api/v1/namespaces/{api.namespace}/limitranges"
    await api.client.create(path, _object("LimitRange", "small", spec={"limits": [limit]}))
    return {"trainer": {"resourcesPerNode": {"limits": {"memory": "64Gi"}}}}


async def restricted_pods(api: TrainJobApi) -> dict[str, Any]:
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    await api.client.patch(f"/api/v1/namespaces/{api.namespace}", {"metadata": {"labels": label}})
    return {}


async def a_priority_class_that_is_not_there(api: TrainJobApi) -> dict[str, Any]:
    runtime = await api.get_runtime("torch-distributed")
    runtime["metadata"] = {"name": f"urgent-{api.namespace}", "labels": runtime["metadata"]["labels"]}
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    job["template"]["spec"]["template"]["spec"]["priorityClassName"] = "urgent"
    await api.client.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
    return {"runtimeRef": {"name": runtime["metadata"]["name"]}}


def _object(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


@pytest.mark.parametrize(
    ("prepare", "name", "words"),
    [
        pytest.param(
            a_quota_that_is_used_up,
            "quota-exceeded",
            "The namespace's ResourceQuota gpus is used up: pods=1 wanted, pods=2 used, pods=2 allowed",
            id="a quota that is used up",
        ),
        pytest.param(
            a_quota_that_wants_resources,
            "quota-wants-resources",
            "The namespace's ResourceQuota gpus takes only pods that say limits.cpu",
            id="a quota that wants to know what is needed",
        ),
        pytest.param(
            a_limit_of_memory,
            "limit-range",
            "The namespace's LimitRange does not permit the pod (maximum memory usage per Container is 4Gi)",
            id="a limit of memory",
        ),
        pytest.param(
            restricted_pods,
            "pod-security",
            "The namespace permits only pods that fit PodSecurity restricted:latest",
            id="restricted pods",
        ),
        pytest.param(
            a_priority_class_that_is_not_there,
            "priority-class-missing",
            "There is no PriorityClass urgent",
            id="a priority class that is not there",
        ),
    ],
)
async def test_why_a_namespace_permits_no_pods_is_told(
    api: TrainJobApi, prepare: Prepare, name: str, words: str
) -> None:
    spec = {"runtimeRef": {"name": "torch-distributed"}, **await prepare(api)}
    manifest = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob"}
    await api.create({**manifest, "metadata": {"name": "refused", "namespace": api.namespace}, "spec": spec})

    diagnosis = await explained(api)

    assert (diagnosis.cause, diagnosis.name) == (Cause.NOT_STARTED, name)
    assert words in str(diagnosis)


async def explained(api: TrainJobApi) -> Diagnosis:
    """Ask until the cluster has given a reason."""
    async with asyncio.timeout(60):
        while True:
            found = (await examine(api, "refused", trainer_job="node")).diagnosis
            if found is not None and found.name:
                return found
            await asyncio.sleep(0.1)
