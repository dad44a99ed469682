"""What an Airflow connection of type kubernetes means to us."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import certifi
import pytest
from kubernetes_asyncio.config import incluster_config

from airflow_kubeflow_trainer.cluster import credentials
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.exceptions import ClusterUnreachableError, ConfigError
from airflow_kubeflow_trainer.hooks.connection import ClusterSettings
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook

KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "a",
    "contexts": [
        {"name": "a", "context": {"cluster": "a", "user": "u"}},
        {"name": "b", "context": {"cluster": "b", "user": "u"}},
    ],
    "clusters": [
        {"name": "a", "cluster": {"server": "https://a.example:6443"}},
        {"name": "b", "cluster": {"server": "https://b.example:6443/"}},
    ],
    "users": [{"name": "u", "user": {"token": "s3cret"}}],
}


@pytest.mark.parametrize(
    ("extras", "arguments", "server"),
    [
        pytest.param({"kube_config": json.dumps(KUBECONFIG)}, {}, "https://a.example:6443", id="a kubeconfig as text"),
        pytest.param({"kube_config": KUBECONFIG}, {}, "https://a.example:6443", id="a kubeconfig as JSON"),
        pytest.param(
            {"extra__kubernetes__kube_config": KUBECONFIG}, {}, "https://a.example:6443", id="fields with long names"
        ),
        pytest.param(
            {"kube_config": KUBECONFIG, "cluster_context": "b"},
            {},
            "https://b.example:6443",
            id="the connection's context",
        ),
        pytest.param(
            {"kube_config": KUBECONFIG, "cluster_context": "a"},
            {"cluster_context": "b"},
            "https://b.example:6443",
            id="an argument comes first",
        ),
    ],
)
async def test_a_connection_leads_to_its_cluster(
    extras: dict[str, Any], arguments: dict[str, Any], server: str
) -> None:
    credentials = await ClusterSettings.from_extras(extras, **arguments).credentials()

    assert credentials.server == server
    assert await credentials.headers() == {"authorization": "Bearer s3cret"}
    assert "s3cret" not in repr(credentials)


async def test_a_kubeconfig_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(json.dumps(KUBECONFIG))

    credentials = await ClusterSettings.from_extras({"kube_config_path": str(path)}).credentials()

    assert credentials.server == "https://a.example:6443"


async def test_in_a_pod_its_service_account_is_taken_and_the_loop_not_held_up_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("s3cret")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", certifi.where())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    imported_by = []

    def import_module(name: str) -> ModuleType:
        imported_by.append(threading.current_thread())
        return importlib.import_module(name)

    monkeypatch.setattr(credentials, "importlib", SimpleNamespace(import_module=import_module))

    found = await ClusterSettings.from_extras({}, in_cluster=True).credentials()

    assert found.server == "https://10.0.0.1:443"
    assert await found.headers() == {"authorization": "Bearer s3cret"}
    assert imported_by != [threading.current_thread()]
    assert len(imported_by) == 1


def test_two_ways_to_a_cluster_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match=r"in_cluster and kube_config_path \(config_file\); only one"):
        ClusterSettings.from_extras({"in_cluster": True}, config_file="/x")


async def test_a_kubeconfig_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="cannot be read from /no/such/file"):
        await ClusterSettings.from_extras({}, config_file="/no/such/file").credentials()


async def test_an_unknown_context_is_named() -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        await ClusterSettings.from_extras({"kube_config": KUBECONFIG}, cluster_context="nowhere").credentials()


def test_a_kubeconfig_that_is_no_kubeconfig_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a mapping"):
        ClusterSettings.from_extras({"kube_config": "hello"})


@pytest.mark.parametrize("value", [True, "true", "True", 1], ids=repr)
async def test_verification_can_be_switched_off(value: Any) -> None:
    settings = ClusterSettings.from_extras({"kube_config": KUBECONFIG, "disable_verify_ssl": value})

    context = (await settings.credentials()).ssl_context

    assert context is not None
    assert context.check_hostname is False


def test_no_connection_at_all_is_the_default_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config"
    path.write_text(json.dumps(KUBECONFIG))
    monkeypatch.setenv("KUBECONFIG", str(path))
    hook = KubeflowTrainerHook(None)

    assert asyncio.run(hook.settings.credentials()).server == "https://a.example:6443"
    assert asyncio.run(hook._settings_in_coroutine()) == hook.settings


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        pytest.param("https://127.0.0.1:1", "Connection refused", id="nobody listens"),
        pytest.param("https://no-such-host.invalid", r"[A-Z][a-z ]+", id="no such host"),
    ],
)
async def test_why_a_cluster_does_not_answer_is_said_in_words(server: str, reason: str) -> None:
    kube_config = {**KUBECONFIG, "clusters": [{"name": "a", "cluster": {"server": server}}]}
    credentials = await ClusterSettings.from_extras({"kube_config": kube_config}).credentials()

    async with Client(credentials) as client:
        with pytest.raises(ClusterUnreachableError, match=rf"{server} \(GET /version\): {reason}$"):
            await client.get("/version")
