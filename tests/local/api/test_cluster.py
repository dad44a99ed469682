"""The cluster as a process: started, stopped, killed, and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.cluster.resources import CONFIG_MAPS, NODES, PODS, TRAINJOBS
from airflow_kubeflow_trainer.cluster.watch import Watch
from airflow_kubeflow_trainer.local.cluster import ClusterStartError, LocalCluster
from airflow_kubeflow_trainer.local.running import keep_running

COMMAND = [sys.executable, "-m", "airflow_kubeflow_trainer.local"]
PATIENCE_SECONDS = 30.0


def call(cluster: LocalCluster, verb: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        credentials = Credentials.from_token(server=cluster.server, ca_file=cluster.ca_file, token=cluster.token)
        async with Client(credentials) as client:
            answer: dict[str, Any] = await getattr(client, verb)(*arguments, **options)
            return answer

    return asyncio.run(work())


def create(cluster: LocalCluster, name: str) -> dict[str, Any]:
    return call(cluster, "create", CONFIG_MAPS.path(namespace="default"), {"metadata": {"name": name}})


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def wait_for_death(pid: int) -> None:
    try:
        psutil.Process(pid).wait(PATIENCE_SECONDS)
    except psutil.NoSuchProcess:
        pass


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path / "cluster") as running:
        yield running


def test_a_killed_cluster_comes_back_with_all_that_it_acknowledged(cluster: LocalCluster) -> None:
    before = (cluster.server, cluster.token, cluster.kubeconfig.read_text())
    written = [create(cluster, f"one-{i}") for i in range(20)]
    cluster.kill()
    cluster.start()
    assert (cluster.server, cluster.token, cluster.kubeconfig.read_text()) == before
    found = call(cluster, "get", CONFIG_MAPS.path(namespace="default"))["items"]
    assert sorted(found, key=lambda obj: int(obj["metadata"]["resourceVersion"])) == written
    later = create(cluster, "later")
    assert int(later["metadata"]["resourceVersion"]) > int(written[-1]["metadata"]["resourceVersion"])


def test_a_killed_cluster_neither_loses_nor_repeats_a_job(cluster: LocalCluster) -> None:
    _create_trainjob(cluster, "finished", "print('once')")
    finished = _wait_for_trainjob(cluster, "finished", _is_complete)
    pods = _pods(cluster, "finished")
    _create_trainjob(cluster, "running", "import time; time.sleep(3)")
    _wait_for_trainjob(cluster, "running", _is_ready)
    cluster.kill()
    cluster.start()
    _wait_for_trainjob(cluster, "running", _is_complete)
    assert call(cluster, "get", TRAINJOBS.path(namespace="default", name="finished")) == finished
    assert _pods(cluster, "finished") == pods


def _create_trainjob(cluster: LocalCluster, name: str, code: str) -> None:
    spec = {"runtimeRef": {"name": "torch-distributed"}, "trainer": {"command": ["python", "-c", code]}}
    body = {"apiVersion": TRAINJOBS.api_version, "kind": "TrainJob", "metadata": {"name": name}, "spec": spec}
    call(cluster, "create", TRAINJOBS.path(namespace="default"), body)


def _is_complete(trainjob: dict[str, Any]) -> bool:
    conditions = trainjob.get("status", {}).get("conditions", [])
    return any(each["type"] == "Complete" and each["status"] == "True" for each in conditions)


def _is_ready(trainjob: dict[str, Any]) -> bool:
    return any(each["ready"] == 1 for each in trainjob.get("status", {}).get("jobsStatus", []))


def _wait_for_trainjob(cluster: LocalCluster, name: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async def wait() -> dict[str, Any]:
        credentials = Credentials.from_token(server=cluster.server, ca_file=cluster.ca_file, token=cluster.token)
        async with asyncio.timeout(PATIENCE_SECONDS), Client(credentials) as client:
            async for event in Watch(client, TRAINJOBS, field_selector=f"metadata.name={name}").events():
                if wanted(event.object):
                    return event.object
        raise AssertionError("the watch has ended")

    return asyncio.run(wait())


def _pods(cluster: LocalCluster, trainjob: str) -> list[tuple[str, str]]:
    selector = {"labelSelector": f"jobset.sigs.k8s.io/jobset-name={trainjob}"}
    found = call(cluster, "get", PODS.path(namespace="default"), params=selector)["items"]
    return [(pod["metadata"]["uid"], pod["status"]["phase"]) for pod in found]


def test_what_lets_in_is_readable_by_its_owner_alone(cluster: LocalCluster) -> None:
    files = [cluster.directory / name for name in ("token", "kubeconfig", "state.db", "state.db-wal")]
    files += (cluster.directory / "pki").glob("*.key")
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in files} == {file.name: "0o600" for file in files}
    assert cluster.directory.stat().st_mode & 0o777 == 0o700


def test_a_folder_has_one_cluster_at_a_time(cluster: LocalCluster) -> None:
    second = run("up", "--dir", str(cluster.directory))
    assert second.returncode == 1
    assert second.stderr.strip() == f"a cluster or a node is already running in {cluster.directory}"
    with pytest.raises(ClusterStartError, match="already running"):
        LocalCluster(cluster.directory).start()
    assert create(cluster, "still-there")


def test_a_port_that_is_taken_is_told(cluster: LocalCluster, tmp_path: Path) -> None:
    port = int(cluster.server.rpartition(":")[2])
    with pytest.raises(ClusterStartError, match="address already in use"):
        LocalCluster(tmp_path / "other", port=port).start()


def test_the_cluster_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    code = f"""
import os, signal
from airflow_kubeflow_trainer.local.cluster import LocalCluster
print(LocalCluster({str(tmp_path / "cluster")!r}).start().pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    wait_for_death(int(killed.stdout))
    assert not psutil.pid_exists(int(killed.stdout))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_cluster_that_is_stopped_leaves_no_process_behind(cluster: LocalCluster, number: signal.Signals) -> None:
    container = {"name": "main", "image": "python", "command": ["python", "-c", "import time; time.sleep(600)"]}
    body = {"metadata": {"name": "sleeper"}, "spec": {"containers": [container]}}
    call(cluster, "create", PODS.path(namespace="default"), body)
    family = _wait_for_sleeper(cluster)
    os.kill(cluster.pid, number)
    gone, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    assert not alive
    assert len(gone) == len(family)
    cluster.stop()


def _wait_for_sleeper(cluster: LocalCluster) -> list[psutil.Process]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    me = psutil.Process(cluster.pid)
    while time.monotonic() < deadline:
        pod = call(cluster, "get", PODS.path(namespace="default", name="sleeper"))
        if pod["status"]["phase"] == "Running":
            return [me, *me.children(recursive=True)]
    raise AssertionError("the pod does not run")


def test_up_tells_how_to_use_it_from_airflow(cluster: LocalCluster) -> None:
    text = (cluster.directory / "cluster.log").read_text()
    assert cluster.server in text
    assert f"export KUBECONFIG={cluster.kubeconfig}" in text
    _, _, line = text.partition("AIRFLOW_CONN_KUBERNETES_DEFAULT='")
    connection = json.loads(line.partition("'")[0])
    assert connection == {"conn_type": "kubernetes", "extra": {"kube_config_path": str(cluster.kubeconfig)}}


def test_the_command_line_tells_of_and_stops_a_cluster(cluster: LocalCluster) -> None:
    folder = ("--dir", str(cluster.directory))
    status = run("status", *folder)
    assert (status.returncode, cluster.server in status.stdout) == (0, True)
    assert run("down", *folder).returncode == 0
    status = run("status", *folder)
    assert (status.returncode, status.stderr.strip()) == (1, f"no cluster is running in {cluster.directory}")
    assert run("down", "--dir", "/nowhere/at/all").returncode == 1


def test_a_node_is_drained_and_restored_from_outside(cluster: LocalCluster) -> None:
    def unschedulable() -> bool:
        return bool(call(cluster, "get", NODES.path(name="local"))["spec"].get("unschedulable"))

    folder = ("--dir", str(cluster.directory))
    assert run("node", "drain", *folder).returncode == 0
    assert unschedulable()
    assert run("node", "restore", *folder).returncode == 0
    assert not unschedulable()
    missing = run("node", "drain", "another", *folder)
    assert (missing.returncode, missing.stderr.strip()) == (1, '404 NotFound: nodes "another" not found')


def test_a_cluster_without_a_folder_leaves_none(tmp_path: Path) -> None:
    with LocalCluster() as cluster:
        directory = cluster.directory
        assert cluster.kubeconfig.exists()
    assert not directory.exists()


async def test_a_part_that_dies_is_told_of_and_started_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_kubeflow_trainer.local.running.FIRST_RESTART_SECONDS", 0.0)
    runs = 0
    again = asyncio.Event()

    async def die() -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            again.set()
            await asyncio.Event().wait()
        raise ZeroDivisionError("of the part")

    keeping = asyncio.create_task(keep_running("controller", die))
    await again.wait()
    keeping.cancel()
    assert "The controller has died" in caplog.text
    assert "ZeroDivisionError: of the part" in caplog.text
