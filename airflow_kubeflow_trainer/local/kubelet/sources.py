"""Secrets, ConfigMaps and tokens, read from the API when a container starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS
from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError, NotFoundError
from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.environment import ConfigSource, ContainerConfigError, decoded
from airflow_kubeflow_trainer.local.kubelet.objects import Pod


def api_source(client: Client, namespace: str) -> ConfigSource:
    """Return the Secrets, ConfigMaps and tokens of one namespace.

    A token is not renewed: it is of no use once its time is over.
    """

    async def secret(name: str) -> Mapping[str, bytes] | None:
        found = await _get(client, SECRETS.path(namespace=namespace, name=name))
        return None if found is None else decoded(found.get("data"))

    async def config_map(name: str) -> Mapping[str, bytes] | None:
        found = await _get(client, CONFIG_MAPS.path(namespace=namespace, name=name))
        if found is None:
            return None
        text = {key: str(value).encode() for key, value in (found.get("data") or {}).items()}
        return {**text, **decoded(found.get("binaryData"))}

    async def token(pod: Pod, wanted: Mapping[str, Any]) -> bytes:
        account = pod["spec"].get("serviceAccountName") or "default"
        path = SERVICE_ACCOUNTS.path(namespace=namespace, name=account, subresource="token")
        audiences = [wanted["audience"]] if wanted.get("audience") else []
        of_pod = {"apiVersion": "v1", "kind": "Pod", "name": objects.name(pod), "uid": objects.uid(pod)}
        spec = {"audiences": audiences, "expirationSeconds": wanted.get("expirationSeconds"), "boundObjectRef": of_pod}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        try:
            return str((await client.create(path, body))["status"]["token"]).encode()
        except KubeflowTrainerError as error:
            raise ContainerConfigError(f"failed to fetch token: {error}") from error

    return ConfigSource(secret=secret, config_map=config_map, token=token)


async def _get(client: Client, path: str) -> Mapping[str, Mapping[str, str]] | None:
    try:
        return await client.get(path)
    except NotFoundError:
        return None
    except KubeflowTrainerError as error:
        raise ContainerConfigError(str(error)) from error
