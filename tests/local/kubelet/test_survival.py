"""The kubelet may end, by any means, and begin again: nothing is lost, run twice or left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import Isolation

Cluster = Any

KUBELET = """
import asyncio, pathlib, sys
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.local.kubelet import Isolation, KubeletOptions, run_kubelet

async def headers():
    return {}

async def main(server, directory, isolation):
    options = KubeletOptions(directory=pathlib.Path(directory), isolation=Isolation(isolation))
    async with Client(Credentials(server=server, ssl_context=None, headers=headers)) as client:
        await run_kubelet(client, options)

asyncio.run(main(*sys.argv[1:]))
"""


def terminated(pod: dict[str, Any]) -> dict[str, Any]:
    """Return how a pod's first container ended."""
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


def processes_with(mark: str) -> list[int]:
    """Return the processes that have a text in their environment or command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        for file in ("environ", "cmdline"):
            try:
                if mark.encode() in (folder / file).read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


async def test_no_process_outlives_a_kubelet_that_is_killed(
    idle: Cluster, api: tuple[Any, str], isolation: Isolation
) -> None:
    kubelet = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KUBELET, api[1], str(idle.directory), isolation.value
    )
    mark = f"survivor-{os.getpid()}-{isolation.value}"
    script = "trap '' TERM HUP; setsid sleep 1000 & (setsid sh -c 'sleep 1001 & sleep 1002' &) ; sleep 1003"
    container = {"env": [{"name": "MARK", "value": mark}]}
    path = await idle.run_pod("a", ["sh", "-c", script], container=container)
    await idle.running(path)
    async with asyncio.timeout(10):
        while len(processes_with(mark)) < 6:
            await asyncio.sleep(0.02)
    kubelet.send_signal(signal.SIGKILL)
    await kubelet.wait()
    async with asyncio.timeout(10):
        while processes_with(mark) or processes_with(str(idle.directory)):
            await asyncio.sleep(0.02)


async def test_no_process_outlives_a_kubelet_that_is_stopped(any_cluster: Cluster) -> None:
    mark = f"stopped-{os.getpid()}"
    path = await any_cluster.run_pod(
        "a", ["sh", "-c", "trap '' TERM; sleep 1000 & sleep 1001"], container={"env": [{"name": "M", "value": mark}]}
    )
    await any_cluster.running(path)
    await any_cluster.stop()
    assert not processes_with(mark)


async def left_running(cluster: Cluster) -> str:
    """Start a pod that would run on, and end well when it is run again; leave it with the kubelet stopped."""
    await cluster.start()
    path: str = await cluster.run_pod(
        "a",
        ["sh", "-c", "echo hello; test -e /data/x && exit 0; touch /data/x; sleep 1000"],
        container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        volumes=[{"name": "data", "emptyDir": {}}],
        restartPolicy="OnFailure",
    )
    await cluster.running(path)
    async with asyncio.timeout(10):
        while not (cluster.directory / "pods" / cluster.uid(path) / "volumes/data/x").exists():
            await asyncio.sleep(0.01)
    await cluster.stop()
    return path


async def test_a_container_that_was_running_is_restarted_as_after_a_reboot(idle: Cluster) -> None:
    path = await left_running(idle)
    await idle.start()
    pod = await idle.finished(path)
    status = pod["status"]["containerStatuses"][0]
    assert pod["status"]["phase"] == "Succeeded"
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 255


async def test_a_container_that_was_lost_before_its_start_was_kept_is_restarted_with_a_log_of_its_own(
    idle: Cluster,
) -> None:
    path = await left_running(idle)
    folder = idle.directory / "pods" / idle.uid(path)
    # As it was when the kubelet had begun to start the container.
    record = json.loads((folder / "state.json").read_text())
    [container] = record["containers"].values()
    container["state"] = {"waiting": {"reason": "ContainerCreating"}}
    (folder / "state.json").write_text(json.dumps(record))
    await idle.start()
    pod = await idle.finished(path)

    status = pod["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 255
    logs = sorted((folder / "containers").rglob("*.log"))
    assert [log.read_text().count("hello") for log in logs] == [1, 1]


async def test_a_container_that_must_not_be_restarted_fails_after_a_reboot(idle: Cluster) -> None:
    await idle.start()
    path = await idle.run_pod("a", ["sleep", "1000"])
    await idle.running(path)
    await idle.stop()
    await idle.start()
    pod = await idle.finished(path)
    assert pod["status"]["phase"] == "Failed"
    assert (terminated(pod)["exitCode"], terminated(pod)["reason"]) == (255, "Unknown")


async def test_a_pod_that_is_over_is_neither_run_again_nor_loses_its_log(idle: Cluster) -> None:
    await idle.start()
    path = await idle.run_pod("a", ["echo", "once"])
    before = await idle.finished(path)
    await idle.stop()
    await idle.start()
    other = await idle.run_pod("b", ["true"])
    await idle.finished(other)
    assert idle.api.objects[path]["status"] == before["status"]
    assert idle.log(path) == "once\n"


async def test_a_pod_that_ended_while_the_api_was_away_is_reported_later(idle: Cluster, tmp_path: Path) -> None:
    await idle.start()
    flag = tmp_path / "shared"
    flag.mkdir()
    path = await idle.run_pod(
        "a",
        ["sh", "-c", "until test -e /flag/go; do sleep 0.02; done; echo ran >> /flag/runs"],
        container={"volumeMounts": [{"name": "flag", "mountPath": "/flag"}]},
        volumes=[{"name": "flag", "hostPath": {"path": str(flag)}}],
        restartPolicy="OnFailure",
    )
    await idle.running(path)
    idle.api.down = True
    (flag / "go").touch()
    exit_file = idle.directory / "pods" / idle.uid(path) / "containers/node/0.exit"
    async with asyncio.timeout(10):
        while not (exit_file.exists() and exit_file.read_text()):
            await asyncio.sleep(0.01)
    await idle.stop()
    idle.api.down = False
    assert idle.api.objects[path]["status"]["phase"] == "Running"
    await idle.start()
    pod = await idle.finished(path)
    assert pod["status"]["phase"] == "Succeeded"
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    assert (flag / "runs").read_text() == "ran\n"


async def test_a_pod_that_was_deleted_while_the_kubelet_was_away_is_confirmed(idle: Cluster) -> None:
    await idle.start()
    path = await idle.run_pod("a", ["sleep", "1000"])
    await idle.running(path)
    await idle.stop()
    await idle.api.delete(path)
    await idle.start()
    await idle.api.until(path, lambda pod: not pod)
    async with asyncio.timeout(10):
        while any((idle.directory / "pods").iterdir()):
            await asyncio.sleep(0.01)


async def test_what_others_have_said_of_a_pods_end_is_left_as_it_is(idle: Cluster) -> None:
    await idle.start()
    path = await idle.run_pod("a", ["sleep", "1000"])
    await idle.running(path)
    await idle.stop()
    # As the control plane does with the pods of a node that has gone.
    status = {"phase": "Failed", "reason": "NodeLost"}
    await idle.client.patch(path + "/status", {"status": status})
    await idle.start()
    await idle.finished(await idle.run_pod("b", ["true"]))
    assert idle.api.objects[path]["status"]["phase"] == "Failed"
    assert idle.api.objects[path]["status"]["reason"] == "NodeLost"


async def test_a_pod_whose_record_cannot_be_kept_goes_on_and_is_recorded_later(idle: Cluster, tmp_path: Path) -> None:
    await idle.start()
    path = await idle.run_pod(
        "a",
        ["sh", "-c", "until test -e /flag/go; do sleep 0.02; done; echo ran >> /flag/runs"],
        container={"volumeMounts": [{"name": "flag", "mountPath": "/flag"}]},
        volumes=[{"name": "flag", "hostPath": {"path": str(tmp_path)}}],
        restartPolicy="OnFailure",
    )
    await idle.running(path)
    folder = idle.directory / "pods" / idle.uid(path)
    # Where the record is written first: as good as a full disk.
    (folder / "state.json.new").mkdir()
    (tmp_path / "go").touch()
    assert (await idle.finished(path))["status"]["phase"] == "Succeeded"
    (folder / "state.json.new").rmdir()
    async with asyncio.timeout(10):
        while "terminated" not in (folder / "state.json").read_text():
            await asyncio.sleep(0.02)
    assert (tmp_path / "runs").read_text() == "ran\n"
