"""Who is let in, and what is told to those who are."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials, from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import PODS
from airflow_kubeflow_trainer.exceptions import ApiError, UnauthorizedError
from airflow_kubeflow_trainer.local.api.resources import SERVED
from airflow_kubeflow_trainer.local.kubeconfig import write_kubeconfig
from tests.local.api.harness import TOKEN, Server, path

PATHS = [
    "/",
    "/api",
    "/api/v1",
    "/apis",
    "/apis/trainer.kubeflow.org/v1alpha1",
    "/version",
    "/healthz",
    "/openapi/v2",
    "/nowhere",
    *(resource.path() for resource in SERVED),
    "/api/v1/namespaces/default/pods/x/log",
    "/api/v1/namespaces/default/secrets/x",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no-token"),
        pytest.param({"Authorization": "Bearer wrong"}, id="wrong-token"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, id="no-bearer"),
        pytest.param({"Authorization": f"Bearer {TOKEN}x"}, id="longer-token"),
        pytest.param({"Authorization": "Bearer \xff"}, id="no-ascii"),
    ],
)
async def test_without_the_token_nothing_can_be_read_or_written(server: Server, headers: dict[str, str]) -> None:
    context = ssl.create_default_context(cafile=str(server.pki.ca_certificate))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        for where in PATHS:
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
                async with session.request(method, server.url + where, headers=headers) as response:
                    assert response.status == 401, f"{method} {where}"
                    if method != "HEAD":
                        status = await response.json()
                        assert (status["kind"], status["reason"]) == ("Status", "Unauthorized")


async def test_a_wrong_token_is_told_to_our_client(server: Server) -> None:
    credentials = Credentials.from_token(server=server.url, ca_file=server.pki.ca_certificate, token="wrong")
    async with Client(credentials) as client:
        with pytest.raises(UnauthorizedError):
            await client.get(path(PODS))


async def test_readiness_is_told_to_everybody(server: Server) -> None:
    context = ssl.create_default_context(cafile=str(server.pki.ca_certificate))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        for where in ("/readyz", "/livez"):
            async with session.get(server.url + where) as response:
                assert await response.text() == "ok"


async def test_only_tls_is_spoken_and_only_on_loopback(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(server.url.replace("https", "http"))
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(server.url)
    port = int(server.url.rpartition(":")[2])
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in others:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((str(address), port), timeout=2).close()


async def test_the_certificate_is_good_for_strict_clients(server: Server) -> None:
    context = ssl.create_default_context(cafile=str(server.pki.ca_certificate))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            async with session.get(f"{url}/readyz") as response:
                assert response.status == 200


async def test_the_kubeconfig_lets_in(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    write_kubeconfig(file, server=server.url, ca_file=server.pki.ca_certificate, token=TOKEN)
    assert file.stat().st_mode & 0o777 == 0o600
    async with Client(await from_kubeconfig(file)) as client:
        assert (await client.get(path(PODS)))["kind"] == "PodList"


@pytest.mark.parametrize(
    "where",
    [
        "/nowhere",
        "/api/v2/pods",
        "/api/v1/frobs",
        "/apis/apps/v1/deployments",
        "/api/v1/namespaces/default/nodes/x",
        "/api/v1/pods/x",
        "/api/v1/namespaces/default/pods/x/frob",
        "/api/v1/namespaces/default/pods/x/log/y",
        "/openapi/v2",
    ],
)
async def test_a_path_that_is_not_served_is_not_found(server: Server, where: str) -> None:
    with pytest.raises(ApiError) as refused:
        await server.client.get(where)
    assert (refused.value.status, refused.value.message) == (
        404,
        "the server could not find the requested resource",
    )


async def test_a_verb_that_a_path_does_not_know_is_not_allowed(server: Server) -> None:
    for where, call in (
        (path(PODS, "x"), server.client.create),
        (path(PODS), server.client.replace),
        (PODS.path(), server.client.create),
    ):
        with pytest.raises(ApiError, match="does not allow this method") as refused:
            await call(where, {})
        assert refused.value.status == 405


async def test_the_scheme_is_known_in_any_case(server: Server) -> None:
    context = ssl.create_default_context(cafile=str(server.pki.ca_certificate))
    headers = {"Authorization": f"bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url + PODS.path(), headers=headers, ssl=context) as response,
    ):
        assert response.status == 200
