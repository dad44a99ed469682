"""Pods' logs, by way of the real API server: each option that it offers, and who may not read them."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.exceptions import ApiError
from airflow_kubeflow_trainer.local.pki import KUBELET_CLIENT, KeyPair, ensure_pki
from tests.control_plane.node import kubelet
from tests.control_plane.plane import ControlPlane
from tests.control_plane.pods import ShellPod, until

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(120)]

FOUR_LINES = "line 1\nline 2\nline 3\nline 4\n"


@pytest.fixture
async def talker(admin: Client, namespace: str) -> ShellPod:
    """A container that has said four lines and goes on."""
    pod = ShellPod(admin, namespace, "for i in 1 2 3 4; do echo line $i; done; exec sleep 100000")
    await pod.create()
    await pod.started()
    await until(pod.log, lambda seen: seen == FOUR_LINES)
    return pod


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"tailLines": 2}, "line 3\nline 4\n", id="tailLines"),
        pytest.param({"tailLines": 0}, "", id="tailLines of none"),
        pytest.param({"tailLines": 9}, FOUR_LINES, id="tailLines of more than there are"),
        pytest.param({"limitBytes": 10}, "line 1\nlin", id="limitBytes"),
        pytest.param({"tailLines": 2, "limitBytes": 10}, "line 3\nlin", id="tailLines and limitBytes"),
        pytest.param({"sinceSeconds": 3600}, FOUR_LINES, id="sinceSeconds"),
        pytest.param({"sinceTime": "2999-01-01T00:00:00Z"}, "", id="sinceTime in the future"),
    ],
)
async def test_a_part_of_the_log_is_asked_for(talker: ShellPod, options: dict[str, object], expected: str) -> None:
    assert await talker.log(**options) == expected


async def test_a_log_goes_on_from_the_second_that_sincetime_names(admin: Client, namespace: str) -> None:
    # More than a second apart: the API server passes whole seconds on.
    pod = ShellPod(admin, namespace, "echo early; sleep 1.2; echo late")
    await pod.create()
    stamped = await until(lambda: _log_or_nothing(pod, timestamps=True), lambda seen: "late" in seen)

    early, late = (line.split(" ", 1) for line in stamped.splitlines())

    assert (early[1], late[1]) == ("early", "late")
    assert early[0] < late[0]
    assert await pod.log(sinceTime=late[0].split(".")[0] + "Z") == "late\n"


async def test_a_log_that_is_followed_grows_and_ends_with_its_container(admin: Client, namespace: str) -> None:
    pod = ShellPod(admin, namespace, "trap 'echo last; exit 0' USR1; echo first; sleep 100000 & wait")
    await pod.create()
    await pod.started()
    seen = b""

    async with asyncio.timeout(60), admin.stream(f"{pod.path}/log", params={"follow": True}) as chunks:
        async for chunk in chunks:
            seen += chunk
            if seen == b"first\n":
                pod.signal(signal.SIGUSR1)

    assert seen == b"first\nlast\n"
    assert "terminated" in (await until(pod.container, lambda found: "terminated" in found["state"]))["state"]


async def test_the_log_of_the_run_before_a_restart_is_kept(admin: Client, namespace: str) -> None:
    script = "[ -e /state/ran ] && echo second && exec sleep 100000; touch /state/ran; echo first; exit 1"
    pod = ShellPod(admin, namespace, script)
    await pod.create()
    await pod.started(restarts=1)

    assert await pod.log(previous=True) == "first\n"
    assert await until(pod.log, bool) == "second\n"


async def test_there_is_no_log_before_the_first_restart(talker: ShellPod) -> None:
    with pytest.raises(ApiError, match='previous terminated container "main" in pod ".*" not found') as refused:
        await talker.log(previous=True)

    assert refused.value.status == 400


async def test_a_reader_without_a_certificate_is_not_let_in(admin: Client, namespace: str, talker: ShellPod) -> None:
    with pytest.raises(aiohttp.ClientError):
        await _read_from_the_kubelet(admin, f"{namespace}/{talker.name}/main", certificate=None)


async def test_a_certificate_of_another_authority_lets_nobody_in(
    admin: Client, namespace: str, talker: ShellPod, tmp_path: Path
) -> None:
    stranger = ensure_pki(tmp_path).kubelet_client

    with pytest.raises(aiohttp.ClientError):
        await _read_from_the_kubelet(admin, f"{namespace}/{talker.name}/main", certificate=stranger)


async def test_the_api_servers_certificate_lets_in(
    plane: ControlPlane, admin: Client, namespace: str, talker: ShellPod
) -> None:
    own = plane.kubelet_client

    assert await _read_from_the_kubelet(admin, f"{namespace}/{talker.name}/main", certificate=own) == FOUR_LINES


@pytest.fixture
def nobody_may_read(plane: ControlPlane) -> Iterator[None]:
    """For a while the API server's own certificate opens no logs."""
    plane.let_read_logs(KUBELET_CLIENT, permitted=False)
    yield
    plane.let_read_logs(KUBELET_CLIENT)


@pytest.mark.usefixtures("nobody_may_read")
async def test_a_certificate_of_the_right_authority_lets_in_whom_the_cluster_permits_and_nobody_else(
    plane: ControlPlane, admin: Client, tmp_path: Path
) -> None:
    with kubelet(plane, tmp_path, name="strict"), pytest.raises(aiohttp.ClientResponseError) as refused:
        await _read_from_the_kubelet(admin, "default/any/main", certificate=plane.kubelet_client, node="strict")
    await admin.delete("/api/v1/nodes/strict")

    assert refused.value.status == 403


async def _read_from_the_kubelet(admin: Client, log: str, *, certificate: KeyPair | None, node: str = "local") -> str:
    """Ask the kubelet itself, past the API server."""
    found = await admin.get(f"/api/v1/nodes/{node}")
    port = found["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate.certificate, certificate.key)
    url = f"https://127.0.0.1:{port}/containerLogs/{log}"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:
        answer.raise_for_status()
        return await answer.text()


async def _log_or_nothing(pod: ShellPod, **options: object) -> str:
    try:
        return await pod.log(**options)
    except ApiError:  # it has not started yet
        return ""
