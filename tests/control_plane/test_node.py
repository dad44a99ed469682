"""Our kubelet as the node of the real control plane: TrainJobs and their pods from beginning to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec, wait
from airflow_kubeflow_trainer.cluster.watch import lines
from airflow_kubeflow_trainer.exceptions import NotFoundError
from airflow_kubeflow_trainer.local.kubelet import KubeletOptions
from airflow_kubeflow_trainer.local.node import running_node
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.control_plane import all_reduce
from tests.control_plane.node import kubelet
from tests.control_plane.plane import ControlPlane
from tests.control_plane.pods import ShellPod, until
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


@pytest.fixture
def second_node(plane: ControlPlane) -> Iterator[str]:
    """The name of a node that only gets the pods that name it."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "second"}, "spec": {"unschedulable": True}}
    plane.call("create", "/api/v1/nodes", node)
    yield "second"
    plane.call("delete", "/api/v1/nodes/second")


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


async def test_a_pod_that_is_deleted_gets_its_grace(api: TrainJobApi) -> None:
    await create(api, "dies", {"command": ["python", "-uc", SAYS_GOODBYE], "numProcPerNode": 1})
    pod = (await running_pod(api, "dies"))["metadata"]["name"]
    await until(lambda: log_of(api, pod), lambda seen: seen == ["up"])

    async with api.stream_log(pod, container="node", follow=True) as chunks:
        await api.delete("dies")
        assert [line async for line in lines(chunks)] == [b"up", b"bye", b"gone"]

    await until(lambda: api.pods("dies"), lambda pods: pods == [])


async def test_a_process_that_does_not_go_is_killed_at_the_end_of_its_grace(admin: Client, namespace: str) -> None:
    stubborn = ShellPod(admin, namespace, "trap '' TERM; echo up; while :; do sleep 1; done")
    await stubborn.create()
    await stubborn.started()
    await until(stubborn.log, lambda seen: seen == "up\n")

    await stubborn.delete(gracePeriodSeconds=1)

    assert stubborn.processes()
    assert (await stubborn.read())["metadata"]["deletionGracePeriodSeconds"] == 1
    await until(stubborn.read, lambda seen: seen == {})
    assert stubborn.processes() == []


async def test_a_pod_that_is_deleted_by_force_leaves_no_process(admin: Client, namespace: str) -> None:
    pod = ShellPod(admin, namespace, "trap '' TERM; while :; do sleep 1; done")
    await pod.create()
    await pod.started()

    await pod.delete(gracePeriodSeconds=0)

    assert await pod.read() == {}
    await until(pod.running_processes, lambda seen: seen == [])


async def test_a_node_that_somebody_deletes_registers_again(api: TrainJobApi, admin: Client) -> None:
    before = await admin.get("/api/v1/nodes/local")

    await admin.delete("/api/v1/nodes/local")

    async def node() -> dict[str, Any]:
        try:
            return await admin.get("/api/v1/nodes/local")
        except NotFoundError:
            return before

    await until(node, lambda seen: seen["metadata"]["uid"] != before["metadata"]["uid"])
    await create(api, "again", shell("true"))
    assert (await wait(api, WaitSpec(name="again"), Recorder())).diagnosis is None


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 0, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 0, id="SIGTERM"),
        pytest.param(signal.SIGKILL, -9, id="SIGKILL"),
    ],
)
async def test_a_kubelet_that_ends_leaves_no_process(
    plane: ControlPlane, second_node: str, admin: Client, namespace: str, tmp_path: Path, number: int, code: int
) -> None:
    pod = ShellPod(admin, namespace, "trap '' TERM; while :; do sleep 1; done", nodeName=second_node)
    await pod.create()

    with kubelet(plane, tmp_path, name=second_node) as process:
        await pod.started()
        process.send_signal(number)
        assert await asyncio.to_thread(process.wait, 30) == code

    await until(pod.running_processes, lambda seen: seen == [])
    await pod.delete(gracePeriodSeconds=0)


async def test_a_node_tells_again_and_again_that_it_is_there(
    plane: ControlPlane, second_node: str, admin: Client, tmp_path: Path
) -> None:
    async def heard() -> str:
        conditions = (await admin.get(f"/api/v1/nodes/{second_node}")).get("status", {}).get("conditions", [])
        return next((str(found["lastHeartbeatTime"]) for found in conditions if found["type"] == "Ready"), "")

    options = KubeletOptions(directory=tmp_path, node_name=second_node, heartbeat_seconds=0.2)
    async with running_node(plane.kubeconfig, options):
        first = await heard()
        await until(heard, lambda seen: seen > first)


async def test_pods_go_on_while_their_node_is_taken_for_lost(
    plane: ControlPlane, second_node: str, admin: Client, namespace: str, tmp_path: Path
) -> None:
    before, after = (ShellPod(admin, namespace, "exec sleep 100000", nodeName=second_node) for _ in range(2))
    options = KubeletOptions(directory=tmp_path, node_name=second_node, heartbeat_seconds=0.2)
    async with running_node(plane.kubeconfig, options):
        await before.create()
        await before.started()
        running = before.processes()

        taints = [{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]
        await admin.patch(f"/api/v1/nodes/{second_node}", {"spec": {"taints": taints}})
        await after.create()
        await after.started()

        assert before.processes() == running
    for pod in (before, after):
        await pod.delete(gracePeriodSeconds=0)
