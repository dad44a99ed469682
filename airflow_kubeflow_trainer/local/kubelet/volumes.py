"""A pod's volumes as folders of this machine, and where its containers mount them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.environment import (
    ConfigSource,
    ContainerConfigError,
    field_value,
    resource_value,
)
from airflow_kubeflow_trainer.local.kubelet.expansion import expand
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.kubelet.supervisor.spec import Mount

_READ_ONLY_KINDS = frozenset({"secret", "configMap", "downwardAPI", "projected"})


class VolumeError(Exception):
    """A volume cannot be set up (yet); the message is the kubelet's."""


class Volumes:
    """The volumes of one pod.

    :param folder: the pod's own folder, for what lives and dies with it.
    :param claims: the folder of its namespace's claims.
    """

    def __init__(self, pod: Pod, *, folder: Path, claims: Path, source: ConfigSource) -> None:
        self._pod = pod
        self._folder = folder
        self._claims = claims
        self._source = source
        self._specs: dict[str, Mapping[str, Any]] = {v["name"]: v for v in pod["spec"].get("volumes") or []}

    async def set_up(self) -> None:
        """Make every volume's folder and fill it.

        :raises VolumeError: a Secret, ConfigMap or path is missing; another try may do.
        """
        for name, volume in self._specs.items():
            try:
                await self._set_up(name, volume)
            except (ContainerConfigError, OSError) as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error

    def mounts(self, container: Mapping[str, Any], env: Mapping[str, str]) -> list[Mount]:
        """Return a container's mounts; folders that a subPath names are made.

        :raises ContainerConfigError: a mount names no volume of the pod, or leaves its volume.
        """
        return [self._mount(entry, env) for entry in container.get("volumeMounts") or []]

    def _mount(self, entry: Mapping[str, Any], env: Mapping[str, str]) -> Mount:
        volume = self._specs.get(entry["name"])
        if volume is None:
            raise ContainerConfigError(f'volume "{entry["name"]}" not found')
        source = self._path(entry["name"], volume)
        sub_path = entry.get("subPath") or expand(entry.get("subPathExpr") or "", env)
        if sub_path:
            source = _below(source, sub_path)
        read_only = bool(entry.get("readOnly")) or not _READ_ONLY_KINDS.isdisjoint(volume)
        claim = volume.get("persistentVolumeClaim") or {}
        return Mount(
            source=str(source),
            target=os.path.normpath(entry["mountPath"]),
            read_only=read_only or bool(claim.get("readOnly")),
        )

    def _path(self, name: str, volume: Mapping[str, Any]) -> Path:
        if "persistentVolumeClaim" in volume:
            return self._claims / str(volume["persistentVolumeClaim"]["claimName"])
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        return self._folder / name

    async def _set_up(self, name: str, volume: Mapping[str, Any]) -> None:
        path = self._path(name, volume)
        if "hostPath" in volume:
            _check_host_path(path, volume["hostPath"].get("type") or "")
        elif "persistentVolumeClaim" in volume or "emptyDir" in volume:
            path.mkdir(parents=True, exist_ok=True)
        elif _READ_ONLY_KINDS & set(volume):
            files = await self._files(volume)
            shutil.rmtree(path, ignore_errors=True)
            _write_files(path, files)
        else:
            kinds = ", ".join(key for key in volume if key != "name")
            raise ContainerConfigError(f"volumes of the kind {kinds} do not exist on this node")

    async def _files(self, source: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the files of a secret, configMap, downwardAPI or projected volume, by relative path."""
        files: dict[str, bytes] = {}
        if "secret" in source:
            secret = source["secret"]
            name = secret.get("secretName") or secret.get("name") or ""
            files.update(_items(secret, await self._source.secret(name), what=f'secret "{name}"'))
        if "configMap" in source:
            config_map = source["configMap"]
            name = config_map.get("name") or ""
            files.update(_items(config_map, await self._source.config_map(name), what=f'configmap "{name}"'))
        if "downwardAPI" in source:
            files.update({item["path"]: self._downward(item) for item in source["downwardAPI"].get("items") or []})
        for part in (source.get("projected") or {}).get("sources") or []:
            if wanted := part.get("serviceAccountToken"):
                files[wanted["path"]] = await self._source.token(self._pod, wanted)
                continue
            if unknown := set(part) - _READ_ONLY_KINDS:
                raise ContainerConfigError(f"projected volumes of the kind {', '.join(unknown)} do not exist here")
            files.update(await self._files(part))
        return files

    def _downward(self, item: Mapping[str, Any]) -> bytes:
        if "fieldRef" in item:
            return field_value(self._pod, item["fieldRef"]["fieldPath"]).encode()
        reference = item["resourceFieldRef"]
        container = next(c for c in self._pod["spec"]["containers"] if c["name"] == reference["containerName"])
        return resource_value(container, reference, {}).encode()


def claims_folder(volumes: Path, pod: Pod) -> Path:
    """Return the folder of the claims in a pod's namespace."""
    return volumes / objects.namespace(pod)


def _items(source: Mapping[str, Any], data: Mapping[str, bytes] | None, *, what: str) -> dict[str, bytes]:
    optional = bool(source.get("optional"))
    if data is None:
        if optional:
            return {}
        raise ContainerConfigError(f"{what} not found")
    if not source.get("items"):
        return dict(data)
    missing = [item["key"] for item in source["items"] if item["key"] not in data]
    if missing and not optional:
        raise ContainerConfigError(f"references non-existent {what.split()[0]} key: {missing[0]}")
    return {item["path"]: data[item["key"]] for item in source["items"] if item["key"] in data}


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for relative, content in files.items():
        path = _below(folder, relative, make=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)


def _below(folder: Path, relative: str, *, make: bool = True) -> Path:
    path = Path(os.path.normpath(folder / relative.lstrip("/")))
    if ".." in Path(relative).parts or not path.is_relative_to(folder):
        raise ContainerConfigError(f'subPath "{relative}" must not leave its volume')
    if make and not path.exists():
        path.mkdir(parents=True)
    return path


def _check_host_path(path: Path, kind: str) -> None:
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch()
    elif kind == "Directory" and not path.is_dir():
        raise ContainerConfigError(f"hostPath type check failed: {path} is not a directory")
    elif kind == "File" and not path.is_file():
        raise ContainerConfigError(f"hostPath type check failed: {path} is not a file")
    elif not path.exists():
        raise ContainerConfigError(f"hostPath {path} does not exist")
