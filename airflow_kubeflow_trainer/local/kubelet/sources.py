"""Secrets and ConfigMaps, read from the API when a container starts."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import CONFIG_MAPS, SECRETS
from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError, NotFoundError
from airflow_kubeflow_trainer.local.kubelet.environment import ConfigSource, ContainerConfigError, decoded


def api_source(client: Client, namespace: str) -> ConfigSource:
    """Return the Secrets and ConfigMaps of one namespace."""

    async def secret(name: str) -> Mapping[str, bytes] | None:
        found = await _get(client, SECRETS.path(namespace=namespace, name=name))
        return None if found is None else decoded(found.get("data"))

    async def config_map(name: str) -> Mapping[str, bytes] | None:
        found = await _get(client, CONFIG_MAPS.path(namespace=namespace, name=name))
        if found is None:
            return None
        text = {key: str(value).encode() for key, value in (found.get("data") or {}).items()}
        return {**text, **decoded(found.get("binaryData"))}

    return ConfigSource(secret=secret, config_map=config_map)


async def _get(client: Client, path: str) -> Mapping[str, Mapping[str, str]] | None:
    try:
        return await client.get(path)
    except NotFoundError:
        return None
    except KubeflowTrainerError as error:
        raise ContainerConfigError(str(error)) from error
