"""Failures on the real control plane, as an outsider brings them about, for somebody who may do what the documentation
says.

The tests are those that the local cluster goes through too, and some for what it has not: JobSets, and the controllers
that take pods away.
"""

# ruff: noqa: F401, F811 - what is imported here is run here

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import JOBSETS, NODES, TRAINJOBS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec, wait
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.control_plane.node import kubelet
from tests.control_plane.plane import ControlPlane
from tests.control_plane.pods import until
from tests.local.waiting.conftest import gives_up_at_once, make, reporter
from tests.local.waiting.test_starting import (
    test_a_claim_that_is_not_there_is_told_by_an_event_and_may_be_given_up,
    test_an_image_that_cannot_be_pulled_now_may_be_pulled_later,
    test_an_image_that_must_not_be_pulled_and_is_not_there_fails_at_once,
    test_an_image_whose_name_is_none_fails_at_once,
    test_one_node_of_several_that_finds_no_place_is_told,
    test_whoever_does_not_want_to_wait_for_what_is_missing_need_not,
)
from tests.local.waiting.test_told_apart import (
    DRAINED,
    NODE,
    Training,
    Trouble,
    node_in_trouble,
    test_a_claim_that_is_not_there_is_named,
    test_a_claim_without_a_volume_is_told,
    test_a_pod_that_comes_again_after_an_eviction_is_no_failure,
    test_a_pod_that_its_node_takes_away_is_the_infrastructures_fault,
    test_a_pod_that_somebody_deletes_comes_again_and_is_no_failure,
    test_a_training_that_fails_by_itself_says_how,
    test_a_trainjob_whose_own_deadline_passes_has_taken_too_long,
    test_a_volume_that_holds_more_than_its_limit_is_named,
    test_an_initializer_that_finds_nothing_is_named_with_its_last_lines,
    told,
)
from tests.local.waiting.test_waiting import (
    test_a_pod_that_fails_for_good_leaves_the_word_to_its_trainjob,
    test_a_trainjob_that_somebody_deletes_ends_the_wait,
    test_an_error_that_would_come_again_is_not_waited_for_seven_times,
    test_restarts_may_be_allowed_in_a_number_of_ones_own,
    test_the_failure_of_another_node_is_explained_by_that_nodes_log,
)

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(180)]


async def taint(client: Client, node_name: str) -> None:
    """Do what `kubectl taint nodes NAME example.com/broken:NoExecute` does."""
    taints = [{"key": "example.com/broken", "effect": "NoExecute"}]
    await client.patch(NODES.path(name=node_name), {"spec": {"taints": taints}})


TAINTED = Trouble(taint, "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint")


@pytest.fixture(
    params=[
        pytest.param(DRAINED, id="drained"),
        pytest.param(TAINTED, id="tainted"),
    ]
)
def trouble(request: pytest.FixtureRequest) -> Trouble:
    found: Trouble = request.param
    return found


async def remove(client: Client, node_name: str) -> None:
    """Do what a cloud does with a node whose machine is gone."""
    await client.delete(NODES.path(name=node_name))


async def give_up(client: Client, node_name: str) -> None:
    """Do what `kubectl taint nodes NAME node.kubernetes.io/out-of-service=nodeshutdown:NoExecute` does."""
    taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
    await client.patch(NODES.path(name=node_name), {"spec": {"taints": [taint]}})


def only_on(node_name: str) -> dict[str, Any]:
    """A runtime patch that binds the training's pods to a node."""
    pod = {"nodeSelector": {"kubernetes.io/hostname": node_name}}
    jobs = [{"name": "node", "template": {"spec": {"template": {"spec": pod}}}}]
    return {"manager": "example.com/test", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}


async def test_a_node_that_dies_is_the_infrastructures_fault(
    plane: ControlPlane, api: TrainJobApi, admin: Client, make: Any, gives_up_at_once: str, tmp_path: Path
) -> None:
    async def outcome_on(name: str, mourn: Callable[[Client, str], Awaitable[None]]) -> Outcome:
        with kubelet(plane, tmp_path / name, name=name) as process:
            job = await make("echo up; exec sleep 600", runtime=gives_up_at_once, runtimePatches=[only_on(name)])
            training = Training(api, job)
            await training.up()
            process.send_signal(signal.SIGKILL)
            await mourn(admin, name)
            return await training.outcome

    # Both at once: Kubernetes waits for 40 s and more before it gives a node up.
    removed, lost = await asyncio.gather(outcome_on("spot", remove), outcome_on("lost", give_up))

    told(removed, Cause.INFRASTRUCTURE, "DeletionByPodGC: PodGC: node no longer exists", "on node spot")
    told(lost, Cause.INFRASTRUCTURE, TAINTED.words, "on node lost")
    await admin.delete(NODES.path(name="lost"))


def jobset_of(training: Training, api: TrainJobApi) -> str:
    return JOBSETS.path(namespace=api.namespace, name=training.name)


async def test_a_jobset_that_is_deleted_under_a_training_is_made_again_and_is_no_failure(
    api: TrainJobApi, admin: Client, make: Any
) -> None:
    training = Training(api, await make("echo up; sleep 5"), max_restarts=0)
    await training.up()

    await admin.delete(jobset_of(training, api))

    outcome = await training.outcome
    assert outcome.diagnosis is None
    assert training.reporter.lines == ["up", "up"]
    assert any("took over" in note for note in training.reporter.notes)


class Unlucky(TrainJobApi):
    """Has the JobSet of a TrainJob deleted just when its wait has seen the end, and looks what pods there are."""

    def __init__(self, api: TrainJobApi, admin: Client) -> None:
        super().__init__(api.client, namespace=api.namespace)
        self._admin = admin
        self.taken_back = False

    async def pods(self, name: str) -> list[dict[str, Any]]:
        path = TRAINJOBS.path(namespace=self.namespace, name=name)
        if not self.taken_back and is_failed(await self._admin.get(path)):
            await self._admin.delete(JOBSETS.path(namespace=self.namespace, name=name))
            await until(lambda: self._admin.get(path), lambda seen: not is_failed(seen))
            self.taken_back = True
        return await super().pods(name)


def is_failed(trainjob: dict[str, Any]) -> bool:
    conditions = (trainjob.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Failed" and condition["status"] == "True" for condition in conditions)


async def test_the_first_end_is_the_end_though_its_jobset_is_deleted_and_trainer_takes_it_back(
    api: TrainJobApi, admin: Client, make: Any, reporter: Any, gives_up_at_once: str
) -> None:
    job = await make("echo up; sleep 1; exit 3", runtime=gives_up_at_once)
    unlucky = Unlucky(api, admin)

    outcome = await wait(unlucky, WaitSpec(name=job["metadata"]["name"], uid=job["metadata"]["uid"]), reporter)

    assert unlucky.taken_back
    assert outcome.diagnosis is not None
    assert (outcome.diagnosis.cause, outcome.alive) == (Cause.USER_CODE, False)
    assert "exit code 3" in outcome.diagnosis.message
    assert reporter.phases[-1] == "Failed"
