"""TrainJobs that never start: given up at once where nothing else helps, others with the patience they are given."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster import events
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES, NODES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec, wait
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.local.waiting.conftest import mounting


def spec_of(trainjob: dict[str, Any], **more: Any) -> WaitSpec:
    return WaitSpec(name=trainjob["metadata"]["name"], uid=trainjob["metadata"]["uid"], **more)


def not_started(outcome: Outcome) -> str:
    assert outcome.diagnosis is not None
    assert (outcome.diagnosis.cause, outcome.alive) == (Cause.NOT_STARTED, True)
    return outcome.diagnosis.message


async def runtime_with(admin: Client, pod: dict[str, Any] | None = None, **container: Any) -> str:
    """torch-distributed with another container, or more in its pods."""
    runtime = await admin.get(CLUSTER_TRAINING_RUNTIMES.path(name="torch-distributed"))
    runtime["metadata"] = {"name": f"odd-{uuid4().hex[:8]}", "labels": runtime["metadata"]["labels"]}
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    spec = job["template"]["spec"]["template"]["spec"]
    spec["containers"][0].update(container)
    spec.update(pod or {})
    await admin.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
    return str(runtime["metadata"]["name"])


async def test_an_image_whose_name_is_none_fails_at_once(api: TrainJobApi, make: Any, reporter: Any) -> None:
    job = await make("true", trainer={"image": "My Image"})

    message = not_started(await wait(api, spec_of(job), reporter))

    assert "startup_patience for InvalidImageName (0 s)" in message
    assert "couldn't parse image name" in message


async def test_an_image_that_must_not_be_pulled_and_is_not_there_fails_at_once(
    api: TrainJobApi, admin: Client, make: Any, reporter: Any
) -> None:
    runtime = await runtime_with(admin, image="acme/none", imagePullPolicy="Never")

    message = not_started(await wait(api, spec_of(await make("true", runtime=runtime)), reporter))

    assert 'Container image "acme/none" is not present with pull policy of Never' in message


async def test_an_image_that_cannot_be_pulled_now_may_be_pulled_later(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    job = await make("true", trainer={"image": "acme/none"})

    outcome = await wait(api, spec_of(job, startup_timeout=4), reporter)

    assert "startup_timeout (4 s)" in not_started(outcome)
    assert "acme/none" in not_started(outcome)


async def test_an_init_containers_image_is_looked_at_too(
    api: TrainJobApi, admin: Client, make: Any, reporter: Any
) -> None:
    runtime = await runtime_with(admin, {"initContainers": [{"name": "fetch", "image": "My Image"}]})

    message = not_started(await wait(api, spec_of(await make("true", runtime=runtime)), reporter))

    assert "startup_patience for InvalidImageName (0 s)" in message


async def test_one_node_of_several_that_finds_no_place_is_told(
    api: TrainJobApi, admin: Client, make: Any, reporter: Any
) -> None:
    node = await admin.get(NODES.path(name="local"))
    most = f"{int(node['status']['allocatable']['cpu']) * 600}m"
    trainer = {"numNodes": 2, "resourcesPerNode": {"requests": {"cpu": most}}}

    outcome = await wait(api, spec_of(await make("exec sleep 60", trainer=trainer), startup_timeout=8), reporter)

    assert "1 Insufficient cpu" in not_started(outcome)
    assert any("-node-0-1-" in warning or "-node-0-0-" in warning for warning in reporter.warnings)


async def test_an_image_that_cannot_be_pulled_has_the_patience_it_is_given(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    job = await make("true", trainer={"image": "acme/none"})

    outcome = await wait(api, spec_of(job, startup_patience={"ImagePullBackOff": 3}, startup_timeout=60), reporter)

    assert "startup_patience for ImagePullBackOff (3 s)" in not_started(outcome)


@pytest.mark.parametrize(
    ("reason", "trainer"),
    [
        pytest.param("Unschedulable", {"resourcesPerNode": {"limits": {"nvidia.com/gpu": "512"}}}, id="no such node"),
        pytest.param(
            "CreateContainerConfigError",
            {"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token"}}}]},
            id="no such secret",
        ),
    ],
)
async def test_whoever_does_not_want_to_wait_for_what_is_missing_need_not(
    api: TrainJobApi, make: Any, reporter: Any, reason: str, trainer: dict[str, Any]
) -> None:
    job = await make("true", trainer=trainer)

    outcome = await wait(api, spec_of(job, startup_patience={reason: 0}), reporter)

    assert f"startup_patience for {reason} (0 s)" in not_started(outcome)


async def test_a_claim_that_is_not_there_is_told_by_an_event_and_may_be_given_up(
    api: TrainJobApi, make: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FIRST_LOOK_SECONDS", 0.2)
    job = await make("true", runtimePatches=[mounting({"configMap": {"name": "no-such-map"}})])

    outcome = await wait(api, spec_of(job, startup_patience={"FailedMount": 0}), reporter)

    assert 'configmap "no-such-map" not found' in not_started(outcome)
    assert any('configmap "no-such-map" not found' in warning for warning in reporter.warnings)


@pytest.mark.parametrize(
    ("runtime", "spec", "words"),
    [
        pytest.param(
            "torchtune-llama3.2-1b",
            {"runtimePatches": [mounting({"emptyDir": {}}, name="initializer")]},
            ["TrainJobResourcesCreationFailed", "volume name conflicts with VolumeClaimPolicy"],
            id="the JobSet",
        ),
        pytest.param(
            "torch-distributed",
            {"trainer": {"resourcesPerNode": {"limits": {"gpu": "1"}}}},
            ["JobCreationFailed", "must be a standard resource"],
            id="a Job",
        ),
    ],
)
async def test_a_child_that_cannot_be_created_is_told_while_it_is_waited_for(
    api: TrainJobApi,
    make: Any,
    reporter: Any,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
    spec: dict[str, Any],
    words: list[str],
) -> None:
    monkeypatch.setattr(events, "FIRST_LOOK_SECONDS", 0.2)
    job = await make("true", runtime=runtime, **spec)

    outcome = await wait(api, spec_of(job, startup_timeout=8), reporter)

    for said in (not_started(outcome), "\n".join(reporter.warnings)):
        assert [word for word in words if word not in said] == []


async def test_events_of_an_earlier_object_of_the_same_name_are_not_told(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    job = await make("true", trainer={"resourcesPerNode": {"limits": {"gpu": "1"}}})
    name = job["metadata"]["name"]
    await wait(api, spec_of(job, startup_timeout=4), type(reporter)())
    await api.delete(name)
    # Timestamps have whole seconds.
    await asyncio.sleep(1.5)
    job["metadata"] = {"name": name, "namespace": "default"}
    del job["spec"]["trainer"]["resourcesPerNode"]
    job["spec"]["suspend"] = True

    outcome = await wait(api, spec_of(await api.create(job), admission_timeout=2), reporter)

    assert "the cluster gave no reason" in not_started(outcome)


async def test_a_trainjob_that_starts_is_not_asked_after(
    api: TrainJobApi, make: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    find = TrainJobApi.find_events

    async def find_events(self: TrainJobApi, field_selector: str) -> list[dict[str, Any]]:
        asked.append(field_selector)
        return await find(self, field_selector)

    monkeypatch.setattr(TrainJobApi, "find_events", find_events)
    monkeypatch.setattr(events, "FIRST_LOOK_SECONDS", 1.0)
    running = asyncio.Event()
    reporter.on_line = lambda text: running.set()
    waiting = asyncio.create_task(wait(api, spec_of(await make("echo up; sleep 2")), reporter))
    await running.wait()
    asked.clear()

    await waiting

    assert asked == []
