"""Bodies in protobuf: those that kubectl 1.36 sends were recorded; all others are refused, never misread."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.local.api.protobuf import CONTENT_TYPE, decode
from airflow_kubeflow_trainer.local.status import StatusError
from tests.local.api.harness import TOKEN, Server

RECORDED = Path(__file__).parent / "protobuf"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "secret",
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "hf"},
                "data": {"token": "eA=="},
            },
            id="create-secret",
        ),
        pytest.param(
            "configmap",
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "cm"},
                "data": {"a": "b"},
            },
            id="create-configmap",
        ),
        pytest.param(
            "namespace", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}, id="create-namespace"
        ),
        pytest.param(
            "access",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {
                    "resourceAttributes": {
                        "namespace": "default",
                        "verb": "create",
                        "group": "trainer.kubeflow.org",
                        "resource": "trainjobs",
                    }
                },
            },
            id="auth-can-i",
        ),
        pytest.param(
            "delete", {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}, id="delete-options"
        ),
    ],
)
def test_what_kubectl_sends_is_read(name: str, expected: dict[str, Any]) -> None:
    assert decode((RECORDED / f"{name}.bin").read_bytes()) == expected


async def test_a_body_in_protobuf_is_as_good_as_one_in_json(server: Server) -> None:
    context = ssl.create_default_context(cafile=str(server.pki.ca_certificate))
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": CONTENT_TYPE}
    body = (RECORDED / "secret.bin").read_bytes()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.post(f"{server.url}/api/v1/namespaces/default/secrets", data=body, headers=headers) as response,
    ):
        assert response.status == 201
        assert (await response.json())["data"] == {"token": "eA=="}


@given(kind=st.sampled_from([path.stem for path in RECORDED.glob("*.bin")]), data=st.data())
def test_a_damaged_body_is_refused_or_read_but_never_fails(kind: str, data: st.DataObject) -> None:
    body = bytearray((RECORDED / f"{kind}.bin").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    refused = None
    try:
        assert isinstance(decode(bytes(body)), dict)
    except StatusError as error:
        refused = error
    assert refused is None or refused.code in (400, 415)
