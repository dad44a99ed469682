"""What keeps a TrainJob from starting is told from the events of its parts; suspending works, or is refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster import ending, events
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec, wait
from airflow_kubeflow_trainer.exceptions import ApiError, ConfigError, ConflictError, NotFoundError
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.reporting import Recorder

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(180)]

Make = Callable[..., Any]


@pytest.fixture
def make(api: TrainJobApi) -> Make:
    async def create(script: str, *, runtime: str = "torch-distributed", **spec: Any) -> dict[str, Any]:
        trainer = {"command": ["sh", "-c", script], "numProcPerNode": 1, **spec.pop("trainer", {})}
        return await api.create(
            {
                "apiVersion": "trainer.kubeflow.org/v1alpha1",
                "kind": "TrainJob",
                "metadata": {"name": f"s-{uuid4().hex[:8]}", "namespace": api.namespace},
                "spec": {"runtimeRef": {"name": runtime}, "trainer": trainer, **spec},
            }
        )

    return create


async def outcome_of(api: TrainJobApi, trainjob: dict[str, Any], **spec: Any) -> Outcome:
    metadata = trainjob["metadata"]
    return await wait(api, WaitSpec(name=metadata["name"], uid=metadata["uid"], **spec), Recorder())


def not_started(outcome: Outcome) -> str:
    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause is Cause.NOT_STARTED
    return outcome.diagnosis.message


async def test_a_pod_that_may_not_be_created_is_told_by_its_job(api: TrainJobApi, admin: Client, make: Make) -> None:
    limits = {"type": "Container", "max": {"cpu": "100m"}, "default": {"cpu": "100m"}}
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tiny"}, "spec": {"limits": [limits]}}
    await admin.create(f"/api/v1/namespaces/{api.namespace}/limitranges", body)
    job = await make("true", trainer={"resourcesPerNode": {"limits": {"cpu": "2"}}})

    message = not_started(await outcome_of(api, job, startup_timeout=5))

    assert "FailedCreate" in message
    assert "maximum cpu usage per Container is 100m" in message


async def test_a_job_that_may_not_be_created_is_told_by_its_jobset(
    api: TrainJobApi, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FIRST_LOOK_SECONDS", 0.5)
    job = await make("true", trainer={"resourcesPerNode": {"limits": {"gpu": "1"}}})

    outcome = await outcome_of(api, job, startup_patience={"JobCreationFailed": 0})

    assert "startup_patience for JobCreationFailed (0 s)" in not_started(outcome)


async def test_a_jobset_that_may_not_be_created_is_told_by_its_trainjob(
    api: TrainJobApi, admin: Client, make: Make
) -> None:
    runtime = await api.get_runtime("torch-distributed")
    runtime["metadata"] = {"name": f"long-{uuid4().hex[:6]}", "labels": runtime["metadata"]["labels"]}
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    job["replicas"] = 1
    await admin.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
    manifest = await make("true", runtime=runtime["metadata"]["name"], suspend=True)
    manifest["metadata"] = {"name": "n" * 60, "namespace": api.namespace}
    manifest["spec"]["suspend"] = False

    message = not_started(await outcome_of(api, await api.create(manifest), startup_timeout=5))

    assert "TrainJobResourcesCreationFailed" in message


async def test_the_remedy_for_a_runtime_that_cannot_be_suspended_works(
    api: TrainJobApi, admin: Client, make: Make
) -> None:
    runtime = await api.get_runtime("torch-distributed")
    claims = (await api.get_runtime("torchtune-llama3.2-1b"))["spec"]["template"]["spec"]["volumeClaimPolicies"]
    name = f"claims-{uuid4().hex[:6]}"
    runtime["metadata"] = {"name": name, "labels": runtime["metadata"]["labels"]}
    for policy in claims:
        policy.pop("retentionPolicy", None)
    runtime["spec"]["template"]["spec"]["volumeClaimPolicies"] = claims
    pod = runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    pod["containers"][0]["volumeMounts"] = [{"name": "initializer", "mountPath": "/workspace"}]
    await admin.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
    job = await make("exec sleep 60", runtime=name)
    with pytest.raises(ConfigError, match="cannot be suspended.*kubectl patch .*retentionPolicy.*replace"):
        await ending.suspend(api, job["metadata"]["name"], True)

    # What `kubectl replace --force` does with it: to delete and to create. Only a change in place is refused.
    await api.delete(job["metadata"]["name"])
    for policy in claims:
        policy["retentionPolicy"] = {"whenDeleted": "Delete"}
    path = CLUSTER_TRAINING_RUNTIMES.path(name=name)
    with pytest.raises(ApiError, match="Value is immutable"):
        await admin.patch(path, {"spec": runtime["spec"]})
    await admin.delete(path)
    await gone(admin, path)
    await admin.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)

    job = await make("sleep 2", runtime=name, suspend=True)
    assert job["spec"]["suspend"] is True
    await ending.suspend(api, job["metadata"]["name"], False)
    outcome = await outcome_of(api, job, startup_timeout=60)
    assert outcome.diagnosis is None


async def test_another_trainjob_that_has_the_name_by_now_is_not_suspended(api: TrainJobApi, make: Make) -> None:
    job = await make("exec sleep 60")

    with pytest.raises(ConflictError):
        await ending.suspend(api, job["metadata"]["name"], True, uid="that-of-an-earlier-one")


async def gone(admin: Client, path: str) -> None:
    with contextlib.suppress(NotFoundError):
        async with asyncio.timeout(60):
            while True:
                await admin.get(path)
                await asyncio.sleep(0.1)
