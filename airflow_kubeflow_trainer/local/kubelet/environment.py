"""A container's environment, command and arguments, resolved as the kubelet resolves them."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.expansion import expand
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.quantity import parse_quantity

LOOPBACK = "127.0.0.1"
_KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class ContainerConfigError(Exception):
    """What a container's spec refers to is not there (yet); the message is the kubelet's."""


@dataclass(frozen=True)
class ConfigSource:
    """Where Secrets and ConfigMaps come from, each as its ``data`` decoded, or None where it does not exist.

    ``token`` makes a pod's token of its service account, as a ``serviceAccountToken`` of a projected volume wants it.
    """

    secret: Callable[[str], Awaitable[Mapping[str, bytes] | None]]
    config_map: Callable[[str], Awaitable[Mapping[str, bytes] | None]]
    token: Callable[[Pod, Mapping[str, Any]], Awaitable[bytes]]


async def resolve_environment(
    pod: Pod,
    container: Mapping[str, Any],
    source: ConfigSource,
    *,
    allocatable: Mapping[str, str],
) -> dict[str, str]:
    """Return what ``envFrom`` and ``env`` say, in their order: a value may refer to those before it.

    :raises ContainerConfigError: a Secret, a ConfigMap or a key is missing and not optional.
    """
    resolver = _Resolver(pod, container, source, allocatable)
    variables = await resolver.env_from()
    for variable in container.get("env") or []:
        if variable.get("value"):
            variables[variable["name"]] = expand(str(variable["value"]), variables)
            continue
        value = await resolver.value_from(variable["valueFrom"]) if variable.get("valueFrom") else ""
        if value is not None:
            variables[variable["name"]] = value
    return variables


def field_value(pod: Pod, path: str) -> str:
    """Return what the downward API gives for a ``fieldPath``."""
    if keyed := _KEYED_FIELD.fullmatch(path):
        return str((pod["metadata"].get(keyed[1]) or {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = pod["metadata"].get(path.removeprefix("metadata.")) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(entries.items()))
    if path in ("status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"):
        return LOOPBACK
    known = {
        "metadata.name": objects.name(pod),
        "metadata.namespace": objects.namespace(pod),
        "metadata.uid": objects.uid(pod),
        "spec.nodeName": objects.node_name(pod) or "",
        "spec.serviceAccountName": str(pod["spec"].get("serviceAccountName") or "default"),
    }
    if path not in known:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    return known[path]


def resource_value(container: Mapping[str, Any], reference: Mapping[str, Any], allocatable: Mapping[str, str]) -> str:
    """Return what a ``resourceFieldRef`` gives: the node's allocatable where the container has no limit."""
    kind, _, resource = str(reference["resource"]).partition(".")
    stated = (container.get("resources") or {}).get(kind) or {}
    fallback = allocatable.get(resource, "0") if kind == "limits" else "0"
    quantity = parse_quantity(stated.get(resource, fallback))
    divisor = parse_quantity(reference.get("divisor") or 1) or Decimal(1)
    return str(int((quantity / divisor).to_integral_value(ROUND_CEILING)))


def decoded(data: Mapping[str, str] | None) -> dict[str, bytes]:
    """Decode a Secret's ``data`` or a ConfigMap's ``binaryData``."""
    return {key: base64.b64decode(value) for key, value in (data or {}).items()}


class _Resolver:
    def __init__(
        self, pod: Pod, container: Mapping[str, Any], source: ConfigSource, allocatable: Mapping[str, str]
    ) -> None:
        self._pod = pod
        self._container = container
        self._source = source
        self._allocatable = allocatable

    async def env_from(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        for entry in self._container.get("envFrom") or []:
            if "secretRef" in entry:
                data = await self._secret(entry["secretRef"])
            else:
                data = await self._config_map(entry["configMapRef"])
            prefix = entry.get("prefix") or ""
            variables.update({prefix + key: value.decode(errors="surrogateescape") for key, value in data.items()})
        return variables

    async def value_from(self, origin: Mapping[str, Any]) -> str | None:
        """Return the value, or None where it is optional and missing."""
        if "fieldRef" in origin:
            return field_value(self._pod, origin["fieldRef"]["fieldPath"])
        if "resourceFieldRef" in origin:
            return resource_value(self._container, origin["resourceFieldRef"], self._allocatable)
        if "secretKeyRef" in origin:
            reference = origin["secretKeyRef"]
            return self._key(reference, await self._secret(reference), kind="Secret")
        if "configMapKeyRef" in origin:
            reference = origin["configMapKeyRef"]
            return self._key(reference, await self._config_map(reference), kind="ConfigMap")
        raise ContainerConfigError(f"unsupported valueFrom: {', '.join(origin)}")

    def _key(self, reference: Mapping[str, Any], data: Mapping[str, bytes], *, kind: str) -> str | None:
        key = reference["key"]
        if key in data:
            return data[key].decode(errors="surrogateescape")
        if reference.get("optional"):
            return None
        where = f"{objects.namespace(self._pod)}/{reference.get('name', '')}"
        raise ContainerConfigError(f"couldn't find key {key} in {kind} {where}")

    async def _secret(self, reference: Mapping[str, Any]) -> Mapping[str, bytes]:
        return _present(await self._source.secret(reference.get("name", "")), reference, kind="secret")

    async def _config_map(self, reference: Mapping[str, Any]) -> Mapping[str, bytes]:
        return _present(await self._source.config_map(reference.get("name", "")), reference, kind="configmap")


def _present(data: Mapping[str, bytes] | None, reference: Mapping[str, Any], *, kind: str) -> Mapping[str, bytes]:
    if data is not None:
        return data
    if reference.get("optional"):
        return {}
    raise ContainerConfigError(f'{kind} "{reference.get("name", "")}" not found')
