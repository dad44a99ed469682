"""Claims as folders: bound when they appear, removed when they are deleted."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import PERSISTENT_VOLUME_CLAIMS, STORAGE_CLASSES
from airflow_kubeflow_trainer.exceptions import NotFoundError

log = logging.getLogger(__name__)

Claim = Mapping[str, Any]


class StorageClassError(Exception):
    """There is no storage class of the name that a claim gives; the message is Kubernetes'."""


class ClaimBinder:
    """Keeps ``volumes/<namespace>/<claim>/`` and the claims' phase in step with the API.

    Beside each folder stands ``.<claim>.uid``: which claim the folder was made for. A folder without one was made by
    somebody else, and is adopted by a claim of its name rather than emptied.
    """

    def __init__(self, client: Client, directory: Path) -> None:
        self._client = client
        self._directory = directory

    async def bind(self, claim: Claim) -> None:
        """Make the claim's folder and say that it is bound.

        :raises StorageClassError: it asks for a class that there is not (yet).
        :raises OSError: the folder cannot be made.
        :raises KubeflowTrainerError: the API does not take it.
        """
        metadata, bound = claim["metadata"], (claim.get("status") or {}).get("phase") == "Bound"
        if not bound:
            await self._check_class(claim["spec"].get("storageClassName") or "")
        folder, marker = self._places(metadata["namespace"], metadata["name"])
        if marker.exists() and marker.read_text() != metadata["uid"]:
            await self._remove(folder, marker)
        folder.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: a marker that says something else costs the folder's content.
        scratch = marker.with_name(f"{marker.name}.new")
        scratch.write_text(metadata["uid"])
        scratch.replace(marker)
        if not bound:
            await self._report(claim)

    async def release(self, claim: Claim) -> None:
        """Remove the folder of a claim that was deleted, unless a new claim of its name has it already."""
        metadata = claim["metadata"]
        folder, marker = self._places(metadata["namespace"], metadata["name"])
        if marker.exists() and marker.read_text() == metadata["uid"]:
            await self._remove(folder, marker)

    async def release_all_but(self, uids: set[str]) -> None:
        """Remove the folders of claims that were deleted while nobody looked."""
        for marker in self._directory.glob("*/.*.uid"):
            if marker.read_text() not in uids:
                name = marker.name.removeprefix(".").removesuffix(".uid")
                await self._remove(marker.parent / name, marker)

    async def _check_class(self, name: str) -> None:
        # Any class will do: all claims become folders.
        try:
            if name:
                await self._client.get(STORAGE_CLASSES.path(name=name))
        except NotFoundError as error:
            raise StorageClassError(f'storageclass.storage.k8s.io "{name}" not found') from error

    def _places(self, namespace: str, name: str) -> tuple[Path, Path]:
        parent = self._directory / namespace
        return parent / name, parent / f".{name}.uid"

    async def _remove(self, folder: Path, marker: Path) -> None:
        # Renamed first: a process that still writes into it does so out of sight, and a new claim starts empty.
        doomed = folder.with_name(f".{folder.name}.{marker.read_text()}.deleted")
        if folder.exists():
            folder.rename(doomed)
        marker.unlink()
        log.info("Claim %s/%s is deleted, and its folder", folder.parent.name, folder.name)
        await asyncio.to_thread(shutil.rmtree, doomed, ignore_errors=True)

    async def _report(self, claim: Claim) -> None:
        metadata, spec = claim["metadata"], claim["spec"]
        path = PERSISTENT_VOLUME_CLAIMS.path(
            namespace=metadata["namespace"], name=metadata["name"], subresource="status"
        )
        capacity = (spec.get("resources") or {}).get("requests") or {}
        status = {"phase": "Bound", "accessModes": spec.get("accessModes") or [], "capacity": capacity}
        try:
            await self._client.patch(path, {"status": status})
        except NotFoundError:
            return
