"""Which GPU belongs to which container."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.kubelet.requests import container_requests

RESOURCE = "nvidia.com/gpu"


def gpus_of_this_machine() -> list[int]:
    """Return the indices of the NVIDIA GPUs that the driver shows."""
    return sorted(int(path.name.removeprefix("nvidia")) for path in Path("/dev").glob("nvidia[0-9]*"))


class GpuAllocator:
    """Lends each GPU to one container at a time, as the device plugin does."""

    def __init__(self, gpus: list[int]) -> None:
        self._all = list(gpus)
        self._free = list(gpus)
        self._returned = asyncio.Condition()

    @asynccontextmanager
    async def lend(self, container: Mapping[str, Any]) -> AsyncIterator[dict[str, str]]:
        """Lend what the container asks for; gives the variables that show it those GPUs and no others."""
        wanted = min(int(container_requests(container).get(RESOURCE, 0)), len(self._all))
        async with self._returned:
            await self._returned.wait_for(lambda: len(self._free) >= wanted)
            lent, self._free = self._free[:wanted], self._free[wanted:]
        try:
            yield self._variables(lent)
        finally:
            self._free = sorted(self._free + lent)
            self._notifying = asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._returned:
            self._returned.notify_all()

    def _variables(self, lent: list[int]) -> dict[str, str]:
        if not self._all:
            return {}
        # On a real node a container has the device files of its own GPUs only.
        visible = ",".join(str(index) for index in lent)
        return {"NVIDIA_VISIBLE_DEVICES": visible or "void", "CUDA_VISIBLE_DEVICES": visible}
