"""Kubeconfigs are read as kubernetes_asyncio reads them, without importing it."""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_asyncio import client, config

from airflow_kubeflow_trainer.cluster.credentials import Credentials, from_kubeconfig
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.local.pki import ensure_pki


def kubeconfig(cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://c.example:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a kubeconfig's files, which is not the working directory."""
    (tmp_path / "token").write_text("from a file")
    pki = ensure_pki(tmp_path / "pki")
    shutil.copy(pki.ca_certificate, tmp_path / "ca.crt")
    shutil.copy(pki.kubelet_client.certificate, tmp_path / "user.crt")
    shutil.copy(pki.kubelet_client.key, tmp_path / "user.key")
    return tmp_path


def in_base64(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


async def theirs(path: Path) -> Credentials:
    configuration = client.Configuration()
    await config.load_kube_config(config_file=str(path), client_configuration=configuration)
    return Credentials.from_configuration(configuration)


async def facts(credentials: Credentials) -> dict[str, Any]:
    context = credentials.ssl_context
    return {
        "server": credentials.server,
        "headers": dict(await credentials.headers()),
        "server_hostname": credentials.server_hostname,
        "proxy": credentials.proxy,
        "tls": context and (context.verify_mode, context.check_hostname, context.verify_flags, context.get_ca_certs()),
    }


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        pytest.param({}, {"token": "s3cret"}, id="token"),
        pytest.param({}, {"tokenFile": "token"}, id="file of a token"),
        pytest.param({}, {"username": "u", "password": "p:w"}, id="password"),
        pytest.param({}, {}, id="nobody"),
        pytest.param({"certificate-authority": "ca.crt"}, {"token": "t"}, id="authority in a file"),
        pytest.param({"insecure-skip-tls-verify": True}, {"token": "t"}, id="not verified"),
        pytest.param({"tls-server-name": "other"}, {"token": "t"}, id="another name"),
        pytest.param({"proxy-url": "http://proxy:3128"}, {"token": "t"}, id="proxy"),
        pytest.param({"server": "http://plain:8080"}, {"token": "t"}, id="plain HTTP"),
        pytest.param(
            {"certificate-authority": "ca.crt"},
            {"client-certificate": "user.crt", "client-key": "user.key"},
            id="certificate in files",
        ),
    ],
)
async def test_what_stands_in_a_kubeconfig_is_read_as_kubernetes_asyncio_reads_it(
    folder: Path, cluster: dict[str, Any], user: dict[str, Any]
) -> None:
    path = folder / "config"
    path.write_text(yaml.safe_dump(kubeconfig(cluster, user)))

    assert await facts(await from_kubeconfig(path)) == await facts(await theirs(path))


async def test_certificates_may_stand_in_the_file_itself(folder: Path) -> None:
    path = folder / "config"
    cluster = {"certificate-authority-data": in_base64(folder / "ca.crt")}
    user = {
        "client-certificate-data": in_base64(folder / "user.crt"),
        "client-key-data": in_base64(folder / "user.key"),
    }
    path.write_text(yaml.safe_dump(kubeconfig(cluster, user)))

    assert await facts(await from_kubeconfig(path)) == await facts(await theirs(path))


async def test_a_certificate_and_a_key_that_do_not_fit_are_refused(folder: Path) -> None:
    path = folder / "config"
    user = {"client-certificate": "user.crt", "client-key": "ca.crt"}
    path.write_text(yaml.safe_dump(kubeconfig({}, user)))

    with pytest.raises(ssl.SSLError):
        await from_kubeconfig(path)


async def test_several_files_count_as_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = kubeconfig({"certificate-authority": "ca.crt"}, {"tokenFile": "token"})
    other = folder / "other"
    other.mkdir()
    (other / "users").write_text(yaml.safe_dump({"users": whole.pop("users")}))
    (other / "token").write_text("beside its user")
    (folder / "config").write_text(yaml.safe_dump(whole))
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(folder / "config"), "/no/such", str(other / "users")]))

    credentials = await from_kubeconfig()

    assert await credentials.headers() == {"authorization": "Bearer beside its user"}


async def test_a_program_that_gives_the_credentials_is_asked(folder: Path) -> None:
    path, program = folder / "config", folder / "give-token"
    program.write_text(
        "#!/bin/sh\n"
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
        '"status": {"token": "from a program"}}\'\n'
    )
    program.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}
    path.write_text(yaml.safe_dump(kubeconfig({}, user)))

    assert await (await from_kubeconfig(path)).headers() == {"authorization": "Bearer from a program"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("[1, 2]", "is not a kubeconfig: it must be a mapping", id="no mapping"),
        pytest.param("{", "is not YAML", id="no YAML"),
        pytest.param("\udcff", "is not YAML", id="no text"),
        pytest.param("{}", "no current-context", id="empty"),
        pytest.param(
            yaml.safe_dump({**kubeconfig({}, {}), "current-context": "there"}),
            "there is no context 'there' in it; there are: here",
            id="an unknown context",
        ),
        pytest.param(
            yaml.safe_dump({**kubeconfig({}, {}), "users": []}), "there is no user 'u' in it", id="an unknown user"
        ),
        pytest.param(
            yaml.safe_dump(kubeconfig({"certificate-authority-data": "abc"}, {})),
            "certificate-authority-data is not base64",
            id="no base64",
        ),
    ],
)
async def test_what_is_wrong_with_a_kubeconfig_is_said(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "config"
    path.write_text(content, errors="surrogateescape")

    with pytest.raises(ConfigError, match=words):
        await from_kubeconfig(path)


def test_no_client_of_kubernetes_is_imported_for_it(folder: Path) -> None:
    path = folder / "config"
    path.write_text(yaml.safe_dump(kubeconfig({}, {"token": "t"})))
    program = (
        "import asyncio, sys; from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig; "
        f"asyncio.run(from_kubeconfig({str(path)!r})); "
        "assert not {'kubernetes', 'kubernetes_asyncio', 'airflow', 'pydantic'} & sys.modules.keys()"
    )

    subprocess.run([sys.executable, "-c", program], check=True)
