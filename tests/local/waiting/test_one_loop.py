"""What one event loop bears: two clusters at once, and a thousand waits without being held up."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.feed import Feeds
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec, wait
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.reporting import Recorder


@pytest.fixture
def other_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("other"), restart_backoff_seconds=0) as cluster:
        yield cluster


def trainjob(script: str) -> dict[str, Any]:
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "twin", "namespace": "default"},
        "spec": {
            "runtimeRef": {"name": "torch-distributed"},
            "trainer": {"command": ["sh", "-c", script], "numProcPerNode": 1},
        },
    }


async def test_two_clusters_at_once_are_never_taken_for_one_another(
    local_cluster: LocalCluster, other_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, cluster in (("ONE", local_cluster), ("OTHER", other_cluster)):
        extra = {"kube_config_path": str(cluster.kubeconfig), "namespace": "default"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    reporters = {"one": Recorder(), "other": Recorder()}

    async def train(connection: str, script: str) -> Any:
        async with KubeflowTrainerHook(connection).share() as cluster:
            created = await cluster.api.create(trainjob(script))
            spec = WaitSpec(name="twin", uid=created["metadata"]["uid"], max_restarts=0)
            return await wait(cluster.api, spec, reporters[connection], feeds=cluster.feeds)

    good, bad = await asyncio.gather(train("one", "echo good; sleep 1"), train("other", "echo bad; sleep 1; exit 3"))

    assert good.diagnosis is None
    assert bad.diagnosis is not None
    assert bad.diagnosis.cause is Cause.USER_CODE
    assert (reporters["one"].lines, reporters["other"].lines) == (["good"], ["bad"])


async def test_all_who_name_one_cluster_and_namespace_share_one_client_and_nobody_else(
    local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"kube_config_path": str(local_cluster.kubeconfig), "namespace": "default"}
    monkeypatch.setenv("AIRFLOW_CONN_ONE", json.dumps({"conn_type": "kubernetes", "extra": extra}))

    def refuse(*_: Any) -> Any:
        raise AssertionError("in a triggerer, a connection is asked for without blocking the event loop, or not at all")

    monkeypatch.setattr(KubeflowTrainerHook, "get_connection", refuse)
    async with (
        KubeflowTrainerHook("one").share() as first,
        KubeflowTrainerHook("one", namespace="default").share() as second,
        KubeflowTrainerHook("one", namespace="kube-system").share() as apart,
    ):
        assert second is first
        assert (apart.api.client is first.api.client, apart.feeds is first.feeds) == (False, False)
        await first.api.find()
        session = first.api.client._session
        assert session is not None
        assert not session.closed
    assert session.closed


async def test_a_thousand_waits_hold_up_the_loop_for_less_than_airflow_complains_of(
    api: TrainJobApi, make: Any
) -> None:
    feeds = Feeds.of_namespace(api)
    jobs = [await make("true", suspend=True) for _ in range(20)]
    # Time of this thread, since the machine may have other things to do; without what collecting all that earlier tests
    # have left would take.
    gc.freeze()
    longest, last = 0.0, time.thread_time()

    async def measure() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.005)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    specs = [
        WaitSpec(name=job["metadata"]["name"], uid=job["metadata"]["uid"], get_logs=False)
        for job in jobs
        for _ in range(50)
    ]
    measuring = asyncio.create_task(measure())
    waits = []
    for spec in specs:
        waits.append(asyncio.create_task(wait(api, spec, Recorder(), feeds=feeds)))
        await asyncio.sleep(0)
    for job in jobs:
        await api.set_suspend(job["metadata"]["name"], False)

    outcomes = await asyncio.gather(*waits)
    measuring.cancel()
    gc.unfreeze()

    assert [outcome.diagnosis for outcome in outcomes] == [None] * 1000
    assert longest < 0.2
