"""This machine as a node of any cluster: the kubelet alone, for a control plane that runs elsewhere."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials, from_kubeconfig
from airflow_kubeflow_trainer.exceptions import ConfigError, UnauthorizedError
from airflow_kubeflow_trainer.local.kubelet import KubeletOptions, run_kubelet
from airflow_kubeflow_trainer.local.pki import write_private
from airflow_kubeflow_trainer.local.running import keep_running

HEARTBEAT_SECONDS = 10.0

log = logging.getLogger(__name__)


@asynccontextmanager
async def running_node(kubeconfig: Path, options: KubeletOptions) -> AsyncIterator[str]:
    """Be a node of a cluster while the context lasts; gives the API server's URL.

    :param kubeconfig: who lets us in, as somebody who may do what a kubelet, a scheduler and a volume provisioner may.
    :param options: how to be it; the folder is there, and its lock is the caller's. Where they name no
        ``client_ca_file``, the authority that signed the API server's own certificate is taken to have signed the one
        that it reads logs with.
    :raises ConfigError: the kubeconfig or the authority's file cannot be used.
    :raises KubeflowTrainerError: the cluster does not let us in.
    """
    cluster = _current_cluster(kubeconfig)
    credentials = await _credentials(kubeconfig)
    if options.client_ca_file is None:
        options = replace(options, client_ca_file=_authority(cluster, kubeconfig, options.directory / "client-ca.crt"))
    else:
        _check_authority(options.client_ca_file)
    await _knock(credentials, kubeconfig)
    ready = asyncio.Event()
    async with Client(credentials, renew=lambda: _credentials(kubeconfig)) as client:
        task = asyncio.create_task(keep_running("kubelet", lambda: run_kubelet(client, options, ready=ready)))
        try:
            await ready.wait()
            yield credentials.server
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _knock(credentials: Credentials, kubeconfig: Path) -> None:
    """Ask the cluster for something: the kubelet itself waits for one that does not answer, for ever."""
    async with Client(credentials) as client:
        try:
            await client.get("/api/v1/nodes", params={"limit": 1})
        except UnauthorizedError as error:
            words = f"the cluster at {credentials.server} does not take the credentials of {kubeconfig}"
            raise ConfigError(f"--kubeconfig: {words}") from error


async def _credentials(kubeconfig: Path) -> Credentials:
    from kubernetes_asyncio.config import ConfigException

    try:
        return await from_kubeconfig(kubeconfig)
    except (ConfigException, OSError, ValueError) as error:
        raise _unusable(kubeconfig, str(error)) from error


def _current_cluster(kubeconfig: Path) -> dict[str, Any]:
    """Return what a kubeconfig says of its current cluster."""
    try:
        content = yaml.safe_load(kubeconfig.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _unusable(kubeconfig, str(error)) from error
    try:
        context = _named(content["contexts"], content["current-context"])["context"]
        cluster: dict[str, Any] = _named(content["clusters"], context["cluster"])["cluster"]
        cluster["server"]
    except (LookupError, StopIteration, TypeError) as error:
        words = "it needs clusters with a server, users, contexts, and a current-context that is one of them"
        raise _unusable(kubeconfig, words) from error
    return cluster


def _unusable(kubeconfig: Path, reason: str) -> ConfigError:
    words = " ".join(reason.split())  # a YAML error has lines
    return ConfigError(f"--kubeconfig: {kubeconfig} cannot be used: {words}")


def _authority(cluster: dict[str, Any], kubeconfig: Path, file: Path) -> Path | None:
    """Return the authority that a kubeconfig trusts, written down where it is not a file; None where it names none."""
    if path := cluster.get("certificate-authority"):
        return Path(kubeconfig.parent, path).resolve()
    if data := cluster.get("certificate-authority-data"):
        write_private(file, base64.b64decode(data))
        return file
    log.warning("The kubeconfig names no authority, and --client-ca is not given: no logs are served")
    return None


def _check_authority(file: Path) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ConfigError(f"--client-ca: {file} cannot be used as certificates in PEM: {error}") from error


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)
