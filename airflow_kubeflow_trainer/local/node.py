"""This machine as a node of any cluster: the kubelet alone, for a control plane that runs elsewhere."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials, from_kubeconfig
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.local.kubelet import KubeletOptions, run_kubelet
from airflow_kubeflow_trainer.local.pki import write_private
from airflow_kubeflow_trainer.local.running import keep_running

log = logging.getLogger(__name__)


@asynccontextmanager
async def running_node(kubeconfig: Path, options: KubeletOptions) -> AsyncIterator[str]:
    """Be a node of a cluster while the context lasts; gives the API server's URL.

    :param kubeconfig: who lets us in, as somebody who may do what a kubelet, a scheduler and a volume provisioner may.
    :param options: how to be it. Where it names no ``client_ca_file``, the authority that signed the API server's own
        certificate is taken to have signed the one that it reads logs with.
    :raises ConfigError: the kubeconfig cannot be used.
    :raises KubeflowTrainerError: the cluster does not let us in.
    """
    options.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    credentials = await _credentials(kubeconfig)
    if options.client_ca_file is None:
        options = replace(options, client_ca_file=_authority(kubeconfig, options.directory / "client-ca.crt"))
    ready = asyncio.Event()
    async with Client(credentials, renew=lambda: _credentials(kubeconfig)) as client:
        # Asked once by hand: the kubelet itself waits for a cluster that does not answer, for ever.
        await client.get("/api/v1/nodes", params={"limit": 1})
        task = asyncio.create_task(keep_running("kubelet", lambda: run_kubelet(client, options, ready=ready)))
        try:
            await ready.wait()
            yield credentials.server
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _credentials(kubeconfig: Path) -> Credentials:
    from kubernetes_asyncio.config import ConfigException

    try:
        return await from_kubeconfig(kubeconfig)
    except (ConfigException, OSError, yaml.YAMLError) as error:
        words = " ".join(str(error).split())  # a YAML error has lines
        raise ConfigError(f"--kubeconfig: {kubeconfig} cannot be used: {words}") from error


def _authority(kubeconfig: Path, file: Path) -> Path | None:
    """Write down the authority that a kubeconfig's current cluster trusts; None where it names none."""
    content = yaml.safe_load(kubeconfig.read_text())
    context = _named(content["contexts"], content["current-context"])["context"]
    cluster = _named(content["clusters"], context["cluster"])["cluster"]
    if path := cluster.get("certificate-authority"):
        return Path(kubeconfig.parent, path).resolve()
    if data := cluster.get("certificate-authority-data"):
        write_private(file, base64.b64decode(data))
        return file
    log.warning("The kubeconfig names no authority, and --client-ca is not given: no logs are served")
    return None


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)
