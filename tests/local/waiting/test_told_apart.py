"""Failures as an outsider brings them about, told apart by their class.

The real control plane goes through those that need nothing of the local cluster's own, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import PERSISTENT_VOLUME_CLAIMS, PODS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec, wait
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.local.kubelet import node_operations
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.local.waiting.conftest import mounting
from tests.reporting import Recorder

NODE = "local"


@pytest.fixture(scope="module")
def local_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster of these tests' own, since they take its node away."""
    with LocalCluster(tmp_path_factory.mktemp("cluster") / "c", restart_backoff_seconds=0) as cluster:
        yield cluster


@pytest.fixture
async def node_in_trouble(admin: Client) -> AsyncIterator[Client]:
    """The way to do something to the node, which is well again afterwards."""
    yield admin
    await node_operations.restore(admin, NODE)


class Training:
    """A wait that goes on while something happens."""

    def __init__(self, api: TrainJobApi, trainjob: dict[str, Any], **spec: Any) -> None:
        self.name = trainjob["metadata"]["name"]
        self.reporter = Recorder()
        self._up = asyncio.Event()
        self.reporter.on_line = lambda text: self._up.set()
        wanted = WaitSpec(name=self.name, uid=trainjob["metadata"]["uid"], **spec)
        self.outcome = asyncio.create_task(wait(api, wanted, self.reporter))

    async def up(self) -> None:
        async with asyncio.timeout(60):
            await self._up.wait()


def told(outcome: Outcome, cause: Cause, *words: str) -> None:
    assert outcome.diagnosis is not None
    said = "\n".join((outcome.diagnosis.message, *outcome.log_tail))
    assert (outcome.diagnosis.cause, [word for word in words if word not in said]) == (cause, []), said


@dataclass(frozen=True)
class Trouble:
    """Something that is done to a node, and what the cluster calls it."""

    bring: Callable[[Client, str], Awaitable[Any]]
    words: str


DRAINED = Trouble(node_operations.drain, "EvictionByEvictionAPI: Eviction API: evicting")


@pytest.fixture(
    params=[
        pytest.param(DRAINED, id="drained"),
        pytest.param(Trouble(node_operations.lose, "DeletionByTaintManager"), id="lost"),
    ]
)
def trouble(request: pytest.FixtureRequest) -> Trouble:
    found: Trouble = request.param
    return found


async def test_a_pod_that_its_node_takes_away_is_the_infrastructures_fault(
    api: TrainJobApi, make: Any, node_in_trouble: Client, gives_up_at_once: str, trouble: Trouble
) -> None:
    training = Training(api, await make("echo up; exec sleep 60", runtime=gives_up_at_once))
    await training.up()

    await trouble.bring(node_in_trouble, NODE)

    told(await training.outcome, Cause.INFRASTRUCTURE, trouble.words)


async def test_a_pod_that_comes_again_after_an_eviction_is_no_failure(
    api: TrainJobApi, make: Any, node_in_trouble: Client
) -> None:
    # Such a run is not counted: it is none of the training's failures.
    training = Training(api, await make("echo up; sleep 3"), max_restarts=0)
    await training.up()

    await node_operations.drain(node_in_trouble, NODE)
    await node_operations.restore(node_in_trouble, NODE)

    assert (await training.outcome).diagnosis is None
    assert any("took over" in note for note in training.reporter.notes)


async def test_a_pod_that_somebody_deletes_comes_again_and_is_no_failure(
    api: TrainJobApi, make: Any, admin: Client
) -> None:
    # Such a run is not counted: it is none of the training's failures.
    training = Training(api, await make("echo up; sleep 3"), max_restarts=0)
    await training.up()

    [pod] = await api.pods(training.name)
    await admin.delete(PODS.path(namespace=api.namespace, name=pod["metadata"]["name"]))

    assert (await training.outcome).diagnosis is None


# A disk of one mebibyte, and a program that has more to write.
FULL_DISK = """
mkdir /tmp/disk && mount -t tmpfs -o size=1m disk /tmp/disk && head -c 3M /dev/zero > /tmp/model &&
exec python -c 'import shutil; shutil.copy("/tmp/model", "/tmp/disk/model")'
"""


@pytest.mark.parametrize(
    ("script", "trainer", "cause", "words"),
    [
        pytest.param(
            "exec python -c 'x = bytearray(400 * 2**20); import time; time.sleep(60)'",
            {"resourcesPerNode": {"limits": {"memory": "150Mi"}}},
            Cause.OUT_OF_MEMORY,
            ["memory"],
            id="more memory than its limit",
        ),
        pytest.param(
            FULL_DISK,
            {},
            Cause.USER_CODE,
            ["A disk is full: /tmp/disk/model"],
            id="a full disk",
        ),
        pytest.param("kill -SEGV $$$$", {}, Cause.USER_CODE, ["signal 11"], id="a crash"),
        pytest.param("kill -USR2 $$$$", {}, Cause.USER_CODE, ["exit code 140, signal 12"], id="a signal"),
    ],
)
async def test_a_training_that_fails_by_itself_says_how(
    api: TrainJobApi, make: Any, script: str, trainer: dict[str, Any], cause: Cause, words: list[str]
) -> None:
    training = Training(api, await make(script, trainer=trainer), max_restarts=0)

    told(await training.outcome, cause, *words)


async def test_a_volume_that_holds_more_than_its_limit_is_named(
    api: TrainJobApi, make: Any, gives_up_at_once: str
) -> None:
    volume = mounting({"emptyDir": {"sizeLimit": "1Mi"}}, name="scratch")
    script = "head -c 3M /dev/zero > /extra/x; exec sleep 60"

    job = await make(script, runtime=gives_up_at_once, runtimePatches=[volume])

    told(await Training(api, job).outcome, Cause.USER_CODE, "The volume scratch holds more than its limit (1Mi)")


async def test_an_initializer_that_finds_nothing_is_named_with_its_last_lines(
    api: TrainJobApi, make: Any, tmp_path: Path
) -> None:
    job = await make(
        "true",
        runtime="torchtune-llama3.2-1b",
        trainer={"resourcesPerNode": {"limits": {"cpu": "1"}}},
        initializer={"dataset": {"storageUri": (tmp_path / "none").as_uri()}},
    )

    told(await Training(api, job, max_restarts=0).outcome, Cause.INITIALIZER, "dataset-initializer", "none")


async def test_a_trainjob_whose_own_deadline_passes_has_taken_too_long(api: TrainJobApi, make: Any) -> None:
    training = Training(api, await make("echo up; exec sleep 60", activeDeadlineSeconds=4))

    told(await training.outcome, Cause.TIMEOUT, "activeDeadlineSeconds")


async def test_a_claim_that_is_not_there_is_named(api: TrainJobApi, make: Any) -> None:
    volume = {"persistentVolumeClaim": {"claimName": "no-such-claim"}}
    training = Training(api, await make("true", runtimePatches=[mounting(volume)]), startup_timeout=4)

    told(await training.outcome, Cause.NOT_STARTED, "no-such-claim")


async def test_a_claim_without_a_volume_is_told(api: TrainJobApi, make: Any, admin: Client) -> None:
    name = f"claim-{uuid4().hex[:8]}"
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "no-such-class", "resources": resources}
    claims = PERSISTENT_VOLUME_CLAIMS.path(namespace=api.namespace)
    await admin.create(claims, {"metadata": {"name": name}, "spec": spec})
    volume = mounting({"persistentVolumeClaim": {"claimName": name}})
    job = await make("true", runtimePatches=[volume])

    outcome = await Training(api, job, startup_patience={"Unschedulable": 2}, startup_timeout=60).outcome

    words = "startup_patience for Unschedulable (2 s)", "A PersistentVolumeClaim of the pod has no volume"
    told(outcome, Cause.NOT_STARTED, *words)
    assert (await admin.get(f"{claims}/{name}"))["status"]["phase"] == "Pending"
    await admin.delete(f"{claims}/{name}")
