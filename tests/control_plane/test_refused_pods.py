"""What a real kube-apiserver says of pods that a namespace does not permit, and what is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.diagnosing import examine
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause, Diagnosis

Prepare = Callable[[Client, str], Awaitable[dict[str, Any]]]
"""Makes a rule of the namespace; gives what the TrainJob says more."""


async def a_quota_that_is_used_up(admin: Client, namespace: str) -> dict[str, Any]:
    await _quota(admin, namespace, {"pods": "2"}, used={"pods": "2"})
    return {}


async def a_quota_that_wants_resources(admin: Client, namespace: str) -> dict[str, Any]:
    await _quota(admin, namespace, {"limits.cpu": "4"}, used={"limits.cpu": "0"})
    return {}


async def _quota(admin: Client, namespace: str, hard: dict[str, str], *, used: dict[str, str]) -> None:
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    await admin.create(path, _object("ResourceQuota", "gpus", spec={"hard": hard}))
    # In place of its controller, which the control plane of the tests is without.
    await admin.patch(f"{path}/gpus/status", {"status": {"hard": hard, "used": used}})


async def a_limit_of_memory(admin: Client, namespace: str) -> dict[str, Any]:
    limit = {"type": "Container", "max": {"memory": "4Gi"}}
    path = f"/api/v1/namespaces/{namespace}/limitranges"
    await admin.create(path, _object("LimitRange", "small", spec={"limits": [limit]}))
    return {"trainer": {"resourcesPerNode": {"limits": {"memory": "64Gi"}}}}


async def restricted_pods(admin: Client, namespace: str) -> dict[str, Any]:
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    await admin.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": label}})
    return {}


async def a_priority_class_that_is_not_there(admin: Client, namespace: str) -> dict[str, Any]:
    runtime = await admin.get(CLUSTER_TRAINING_RUNTIMES.path(name="torch-distributed"))
    runtime["metadata"] = {"name": f"urgent-{namespace}", "labels": runtime["metadata"]["labels"]}
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    job["template"]["spec"]["template"]["spec"]["priorityClassName"] = "urgent"
    await admin.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
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
    api: TrainJobApi, admin: Client, prepare: Prepare, name: str, words: str
) -> None:
    spec = {"runtimeRef": {"name": "torch-distributed"}, **await prepare(admin, api.namespace)}
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
