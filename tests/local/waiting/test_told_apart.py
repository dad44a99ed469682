"""Failures as an outsider brings them about, told apart by their class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import PODS
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
async def node(local_cluster: LocalCluster) -> AsyncIterator[Client]:
    """The way to do something to the node, which is well again afterwards."""
    async with Client(await from_kubeconfig(local_cluster.kubeconfig)) as client:
        yield client
        await node_operations.restore(client, NODE)


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


Trouble = Callable[[Client, str], Awaitable[Any]]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        pytest.param(node_operations.drain, "EvictionByEvictionAPI", id="drained"),
        pytest.param(node_operations.lose, "DeletionByTaintManager", id="lost"),
    ],
)
async def test_a_pod_that_its_node_takes_away_is_the_infrastructures_fault(
    api: TrainJobApi, make: Any, node: Client, gives_up_at_once: str, trouble: Trouble, words: str
) -> None:
    training = Training(api, await make("echo up; exec sleep 60", runtime=gives_up_at_once))
    await training.up()

    await trouble(node, NODE)

    told(await training.outcome, Cause.INFRASTRUCTURE, words)


async def test_a_pod_that_comes_again_after_an_eviction_is_no_failure(
    api: TrainJobApi, make: Any, node: Client
) -> None:
    # Such a run is not counted: it is none of the training's failures.
    training = Training(api, await make("echo up; sleep 3"), max_restarts=0)
    await training.up()

    await node_operations.drain(node, NODE)
    await node_operations.restore(node, NODE)

    assert (await training.outcome).diagnosis is None
    assert any("took over" in note for note in training.reporter.notes)


async def test_a_pod_that_somebody_deletes_comes_again_and_is_no_failure(
    api: TrainJobApi, make: Any, node: Client
) -> None:
    # Such a run is not counted: it is none of the training's failures.
    training = Training(api, await make("echo up; sleep 3"), max_restarts=0)
    await training.up()

    [pod] = await api.pods(training.name)
    await node.delete(PODS.path(namespace="default", name=pod["metadata"]["name"]))

    assert (await training.outcome).diagnosis is None


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
            'exec python -c \'open("/dev/full", "w").write("x" * 10**6)\'',
            {},
            Cause.USER_CODE,
            ["No space left on device"],
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
