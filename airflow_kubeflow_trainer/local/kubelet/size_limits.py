"""How much a pod may keep in its emptyDir volumes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.quantity import parse_quantity

CHECK_SECONDS = 2.0
"""How often it is looked how much there is. Kubernetes' kubelet looks every 10 s."""
_BLOCK_BYTES = 512


async def exceeded(pod: Pod, volumes: Path) -> str:
    """Wait until a volume of the pod's holds more than its sizeLimit, and return that in the kubelet's words.

    :param volumes: the folder of the pod's own volumes.
    """
    limits = dict(_limits(pod))
    if not limits:
        await asyncio.Event().wait()
    while True:
        for name, limit in limits.items():
            if await asyncio.to_thread(_used_bytes, volumes / name) > parse_quantity(limit):
                return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
        await asyncio.sleep(CHECK_SECONDS)


def _limits(pod: Pod) -> Iterator[tuple[str, str]]:
    volumes: list[Mapping[str, Any]] = pod["spec"].get("volumes") or []
    for volume in volumes:
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit and parse_quantity(limit) > 0:
            yield volume["name"], limit


def _used_bytes(folder: Path) -> int:
    return sum(_size(Path(parent, name)) for parent, _, names in os.walk(folder) for name in names)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_blocks * _BLOCK_BYTES
    except OSError:
        # Gone since it was listed.
        return 0
