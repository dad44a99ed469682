"""The last lines of containers that failed, read at once: Kubernetes deletes their pods soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from airflow_kubeflow_trainer.cluster.log_lines import LONGEST_LINE, LineReader, LogLine
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.watch import lines
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError
from airflow_kubeflow_trainer.trainjob.pods import Pod

READ_LINES = 250
"""Enough to hold torchrun's own words and, before them, the tracebacks of eight ranks."""
MAX_BYTES = 2**20
MAX_TAILS = 32
"""How many are kept, and how many may wait to be read: of a thousand pods that all fail, the first to fail."""
AT_A_TIME = 4

Read = Callable[[Pod, tuple[LogLine, ...]], None]


class Tails:
    """Reads the last lines of each run that failed, once.

    :param read: told of each: the pod as it was when the run failed, and the lines (none where they cannot be read).
    """

    def __init__(self, api: TrainJobApi, read: Read) -> None:
        self._api = api
        self._read = read
        self._tails: dict[str, tuple[str, ...]] = {}
        self._known: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(AT_A_TIME)

    def keep(self, pod: Pod) -> None:
        """Read the last lines of a pod that failed."""
        assert pod.main is not None
        key = (pod.uid, pod.main.ended_run)
        if key in self._known:
            return
        self._known.add(key)
        if len(self._tasks) < MAX_TAILS:
            task = asyncio.create_task(self._fetch(pod, pod.main.name, previous=pod.main.terminated is None))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._read(pod, ())

    def of(self, pod: str | None) -> tuple[str, ...]:
        """Give a pod's last lines; none where there are none."""
        return self._tails.get(pod or "", ())

    def any(self) -> tuple[str, ...]:
        """Give those of the first pod that has some."""
        return next(iter(self._tails.values()), ())

    async def settle(self, seconds: float) -> None:
        """Wait for what is being read."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def close(self) -> None:
        """Stop reading."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, pod: Pod, container: str, *, previous: bool) -> None:
        found: tuple[LogLine, ...] = ()
        try:
            async with self._turn:
                found = await self._last_lines(pod.name, container, previous)
        except (ApiError, ClusterUnreachableError):
            # Words about the failure are worth a try, and never an error of their own.
            pass
        if found:
            self._tails.pop(pod.name, None)
            self._tails[pod.name] = tuple(line.text for line in found)
            if len(self._tails) > MAX_TAILS:
                del self._tails[next(iter(self._tails))]
        self._read(pod, found)

    async def _last_lines(self, pod: str, container: str, previous: bool) -> tuple[LogLine, ...]:
        kept: list[LogLine] = []
        size = 0
        reader = LineReader(pod)
        async with self._api.stream_log(
            pod, container=container, previous=previous, timestamps=True, tail_lines=READ_LINES
        ) as chunks:
            async for raw in lines(chunks, longest=LONGEST_LINE):
                size += len(raw)
                if size > MAX_BYTES:
                    break
                if (line := reader.read(raw)) is not None:
                    kept.append(line)
        return tuple(kept)
