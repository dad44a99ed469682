"""TrainJobs of the real Trainer, JobSet and Job controllers, run by our kubelet."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec, wait
from airflow_kubeflow_trainer.cluster.watch import lines
from airflow_kubeflow_trainer.exceptions import NotFoundError
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.control_plane import all_reduce
from tests.control_plane.plane import ControlPlane
from tests.reporting import Recorder

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(180)]

SAYS_GOODBYE = """
import signal, sys, time

def leave(*_):
    print("bye"); time.sleep(1); print("gone"); sys.exit()

signal.signal(signal.SIGTERM, leave)
print("up")
signal.pause()
"""


def shell(script: str, **trainer: Any) -> dict[str, Any]:
    return {"command": ["sh", "-c", script], "numProcPerNode": 1, **trainer}


async def create(api: TrainJobApi, name: str, trainer: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return await api.create(
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": name, "namespace": api.namespace},
            "spec": {"runtimeRef": {"name": "torch-distributed"}, "trainer": trainer, **spec},
        }
    )


async def log_of(api: TrainJobApi, pod: str, **options: Any) -> list[str]:
    async with api.stream_log(pod, container="node", **options) as chunks:
        return [line.decode() async for line in lines(chunks)]


async def until(read: Callable[[], Any], accept: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(60):
        while True:
            seen = await read()
            if accept(seen):
                return seen
            await asyncio.sleep(0.1)


async def running_pod(api: TrainJobApi, name: str) -> dict[str, Any]:
    [pod] = await until(lambda: api.pods(name), lambda pods: [p["status"].get("phase") for p in pods] == ["Running"])
    return dict(pod)


async def test_a_training_on_two_nodes_ends_well(api: TrainJobApi) -> None:
    job = await create(api, "pair", shell(all_reduce.AS_SHELL, numNodes=2))
    reporter = Recorder()

    outcome = await wait(api, WaitSpec(name="pair", uid=job["metadata"]["uid"]), reporter)

    assert outcome.diagnosis is None, (outcome, reporter.lines)
    assert all_reduce.SUM_OF_TWO in reporter.lines


async def test_a_failing_node_is_told_with_its_exit_code_and_last_lines(api: TrainJobApi) -> None:
    # Trainer's Jobs restart a container six times before they give up.
    job = await create(api, "fails", shell("echo about to break; exit 3"))

    outcome = await wait(api, WaitSpec(name="fails", uid=job["metadata"]["uid"]), Recorder())

    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause is Cause.USER_CODE
    assert "exit code 3" in outcome.diagnosis.message
    assert "about to break" in outcome.log_tail


async def test_the_api_server_reads_logs_in_every_way_that_it_offers(api: TrainJobApi) -> None:
    await create(api, "talks", shell("for i in 1 2 3 4; do echo line $i; done; exec sleep 1000"))
    pod = (await running_pod(api, "talks"))["metadata"]["name"]
    whole = await until(lambda: log_of(api, pod), lambda seen: len(seen) == 4)

    assert whole == ["line 1", "line 2", "line 3", "line 4"]
    assert await log_of(api, pod, tail_lines=2) == ["line 3", "line 4"]
    stamped = await log_of(api, pod, timestamps=True)
    assert [line.partition(" ")[2] for line in stamped] == whole
    assert await log_of(api, pod, since_time="2999-01-01T00:00:00Z") == []
    async with api.stream_log(pod, container="node", follow=True) as chunks:
        first = await anext(aiter(lines(chunks)))
    assert first == b"line 1"


async def test_logs_are_for_the_api_server_alone(plane: ControlPlane, api: TrainJobApi) -> None:
    await create(api, "secret", shell("echo a secret; exec sleep 1000"))
    pod = (await running_pod(api, "secret"))["metadata"]["name"]
    node = await api.client.get("/api/v1/nodes/local")
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE

    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"https://127.0.0.1:{port}/containerLogs/{api.namespace}/{pod}/node", ssl=anybody)


async def test_a_pod_that_is_deleted_gets_its_grace(api: TrainJobApi) -> None:
    await create(api, "dies", {"command": ["python", "-uc", SAYS_GOODBYE], "numProcPerNode": 1})
    pod = (await running_pod(api, "dies"))["metadata"]["name"]
    await until(lambda: log_of(api, pod), lambda seen: seen == ["up"])

    async with api.stream_log(pod, container="node", follow=True) as chunks:
        await api.delete("dies")
        assert [line async for line in lines(chunks)] == [b"up", b"bye", b"gone"]

    await until(lambda: api.pods("dies"), lambda pods: pods == [])


async def test_a_node_that_somebody_deletes_registers_again(api: TrainJobApi) -> None:
    before = await api.client.get("/api/v1/nodes/local")

    await api.client.delete("/api/v1/nodes/local")

    async def node() -> dict[str, Any]:
        try:
            return await api.client.get("/api/v1/nodes/local")
        except NotFoundError:
            return before

    await until(node, lambda seen: seen["metadata"]["uid"] != before["metadata"]["uid"])
    await create(api, "again", shell("true"))
    assert (await wait(api, WaitSpec(name="again"), Recorder())).diagnosis is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "there is no file", id="no file"),
        pytest.param("{", "cannot be used", id="no YAML"),
        pytest.param("apiVersion: v1", "cannot be used", id="no kubeconfig"),
    ],
)
async def test_a_kubeconfig_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)
    arguments = ["-m", "airflow_kubeflow_trainer.local", "kubelet", "--kubeconfig", str(file), "--dir", str(tmp_path)]

    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.PIPE)
    _, error = await process.communicate()

    assert process.returncode == 1
    [line] = error.decode().splitlines()
    assert str(file) in line
    assert words in line
