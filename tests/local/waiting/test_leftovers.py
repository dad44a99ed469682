"""TrainJobs whose task is over, and claims whose TrainJob is gone, are found and ended, and no others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster import leftovers
from airflow_kubeflow_trainer.cluster.leftovers import Standing
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES, PERSISTENT_VOLUME_CLAIMS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.trainjob.identity import ON_KILL_ANNOTATION, TaskIdentity, trainjob_name
from tests.local import runtimes

Submit = Callable[..., Awaitable[dict[str, Any]]]


class Airflow:
    """Knows how tasks stand, by their TrainJob's uid."""

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}

    async def ask(self, identity: TaskIdentity, uid: str) -> Standing:
        return self.standings.get(uid, Standing.GOING_ON)


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


def manifest(*, runtime: str = "torch-distributed", on_kill: str = "delete_trainjob", **spec: Any) -> dict[str, Any]:
    """A TrainJob as an operator makes it, whose pods never come."""
    identity = TaskIdentity(dag_id="d", run_id=uuid4().hex, task_id="t", map_index=-1, try_number=1, ti_id="x")
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {
            "name": trainjob_name(identity),
            "namespace": "default",
            "labels": identity.labels(),
            "annotations": {**identity.annotations(), ON_KILL_ANNOTATION: on_kill},
        },
        "spec": {
            "runtimeRef": {"name": runtime},
            "trainer": {"command": ["true"], "resourcesPerNode": {"limits": {"nvidia.com/gpu": "512"}}},
            **spec,
        },
    }


@pytest.fixture
async def submit(api: TrainJobApi) -> Any:
    names = []

    async def submit(**options: Any) -> Any:
        trainjob = await api.create(manifest(**options))
        names.append(name_of(trainjob))
        return trainjob

    yield submit
    for trainjob in await api.find():
        if trainjob["metadata"]["name"] in names:
            await api.delete(trainjob["metadata"]["name"])


async def found(api: TrainJobApi, airflow: Airflow, **options: Any) -> list[str]:
    return [item.name for item in await leftovers.find_trainjobs(api, airflow.ask, **{"age_seconds": 0} | options)]


def name_of(trainjob: dict[str, Any]) -> str:
    return str(trainjob["metadata"]["name"])


async def test_a_trainjob_whose_task_is_over_is_found_and_ended(
    api: TrainJobApi, airflow: Airflow, submit: Submit
) -> None:
    going_on, over = await submit(), await submit()
    airflow.standings[over["metadata"]["uid"]] = Standing.OVER

    (leftover,) = await leftovers.find_trainjobs(api, airflow.ask, age_seconds=0)
    done = await leftovers.remove(api, leftover)

    assert done == "was deleted"
    assert "d.t" in leftover.why
    assert [name_of(job) for job in await api.find() if name_of(job) in map(name_of, (going_on, over))] == [
        name_of(going_on)
    ]
    assert await leftovers.remove(api, leftover) == "is gone already"


async def test_one_that_was_created_just_now_is_left_alone(api: TrainJobApi, airflow: Airflow, submit: Submit) -> None:
    trainjob = await submit()
    airflow.standings[trainjob["metadata"]["uid"]] = Standing.OVER

    assert await found(api, airflow, age_seconds=600) == []
    assert await found(api, airflow, age_seconds=600, now=lambda: time.time() + 700) == [name_of(trainjob)]


async def test_a_task_that_nobody_knows_may_be_another_airflows(
    api: TrainJobApi, airflow: Airflow, submit: Submit
) -> None:
    trainjob = await submit()
    airflow.standings[trainjob["metadata"]["uid"]] = Standing.UNKNOWN

    assert await found(api, airflow) == []
    assert await found(api, airflow, unknown_too=True) == [name_of(trainjob)]


async def test_what_a_task_wanted_to_become_of_its_trainjob_becomes_of_it(
    api: TrainJobApi, airflow: Airflow, submit: Submit
) -> None:
    kept, suspended = await submit(on_kill="keep_trainjob"), await submit(on_kill="suspend_trainjob")
    for trainjob in (kept, suspended):
        airflow.standings[trainjob["metadata"]["uid"]] = Standing.OVER

    (leftover,) = await leftovers.find_trainjobs(api, airflow.ask, age_seconds=0)
    await leftovers.remove(api, leftover)

    assert (await api.get(name_of(suspended)))["spec"]["suspend"] is True
    assert not (await api.get(name_of(kept)))["spec"].get("suspend")
    assert await found(api, airflow) == []


async def test_one_that_cannot_be_suspended_does_not_keep_others_from_being_ended(
    api: TrainJobApi, airflow: Airflow, submit: Submit
) -> None:
    runtime = await runtimes.claims_without_policy(api)
    trainjobs = [await submit(on_kill="suspend_trainjob", runtime=runtime), await submit()]
    for trainjob in trainjobs:
        airflow.standings[trainjob["metadata"]["uid"]] = Standing.OVER

    tidied = await leftovers.tidy(api, airflow.ask, age_seconds=0, unknown_too=False, claims=False, touch=True)

    done = {leftover.name: done for leftover, done in tidied}
    assert done[name_of(trainjobs[0])].startswith("cannot be ended as its task wished: suspend: ")
    assert done[name_of(trainjobs[1])] == "was deleted"


async def test_a_trainjob_that_has_ended_is_kept(
    api: TrainJobApi, airflow: Airflow, submit: Submit, reporter: Any
) -> None:
    from airflow_kubeflow_trainer.cluster.waiting import WaitSpec, wait

    trainjob = await submit(trainer={"command": ["true"]})
    await wait(api, WaitSpec(name=name_of(trainjob)), reporter)
    airflow.standings[trainjob["metadata"]["uid"]] = Standing.OVER

    assert await found(api, airflow) == []


@pytest.fixture
async def retaining(api: TrainJobApi) -> str:
    """A runtime whose claims outlive their TrainJobs."""
    runtime = await api.get_runtime("torchtune-llama3.2-1b")
    runtime["metadata"] = {"name": f"torchtune-kept.{uuid4().hex[:6]}-1b", "labels": runtime["metadata"]["labels"]}
    runtime["spec"]["template"]["spec"]["volumeClaimPolicies"][0]["retentionPolicy"] = {"whenDeleted": "Retain"}
    await api.client.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
    return str(runtime["metadata"]["name"])


async def claim_of(api: TrainJobApi, trainjob: dict[str, Any]) -> str:
    """The claim that was made for a TrainJob, once it is there."""
    claim = f"initializer-{name_of(trainjob)}"
    async with asyncio.timeout(20):
        while claim not in [name_of(claim) for claim in await api.claims()]:
            await asyncio.sleep(0.01)
    return claim


async def test_a_retained_claim_goes_once_its_trainjob_is_gone(
    api: TrainJobApi, submit: Submit, retaining: str
) -> None:
    trainjob = await submit(runtime=retaining)
    claim = await claim_of(api, trainjob)

    await leftovers.mark_claims(api)
    assert await leftovers.find_claims(api, age_seconds=0) == []
    await api.delete(name_of(trainjob))

    (leftover,) = await leftovers.find_claims(api, age_seconds=0)
    assert leftover.name == claim
    assert await leftovers.remove(api, leftover) == "was deleted"
    assert await leftovers.find_claims(api, age_seconds=0) == []


@pytest.mark.parametrize(
    ("name", "labelled"),
    [
        pytest.param("llama-20250101", False, id="a date"),
        pytest.param("run-deadbeef", False, id="a word"),
        pytest.param("llama-00c0ffee", True, id="a copy of ours"),
    ],
)
@pytest.mark.parametrize("seen", [True, False], ids=["seen before it went", "never seen"])
async def test_a_retained_claim_of_somebody_elses_trainjob_is_told_of_and_kept(
    api: TrainJobApi, retaining: str, name: str, labelled: bool, seen: bool
) -> None:
    stranger = manifest(runtime=retaining)
    stranger["metadata"] = {**(stranger["metadata"] if labelled else {"namespace": "default"}), "name": name}
    await api.create(stranger)
    claim = await claim_of(api, stranger)
    try:
        if seen:
            await leftovers.mark_claims(api)
        await api.delete(name)

        (leftover,) = [found for found in await leftovers.find_claims(api, age_seconds=0) if found.name == claim]
        assert "nothing shows that it was a task's" in leftover.why
        assert await leftovers.remove(api, leftover) == "was left alone"
        assert claim in [name_of(claim) for claim in await api.claims()]
    finally:
        await api.client.delete(PERSISTENT_VOLUME_CLAIMS.path(namespace="default", name=claim))
