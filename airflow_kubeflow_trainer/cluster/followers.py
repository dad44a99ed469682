"""Following the logs of all nodes of a TrainJob that are asked for: rank 0, others by request, and the initializers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from airflow_kubeflow_trainer.cluster.logs import Drain, LogFollower, LogLine, Note, just_before
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.runtime import DATASET_INITIALIZER, MODEL_INITIALIZER

LogNodes = Sequence[int] | Literal["all"]
"""Which nodes' logs are wanted beside that of rank 0, by their rank."""
MAX_FOLLOWED = 32
"""Each costs a connection."""
MAX_TOLD, TAIL_LINES = 8, 20
"""Of so many nodes that fail and are not followed so many lines are told."""
SILENT_SECONDS, LONGEST_SECONDS = 15.0, 200.0
"""How long the end of a log is waited for without a line, and at all, once the TrainJob has ended.

Airflow ends a deferral five minutes after our own deadline.
"""
_INITIALIZERS = (DATASET_INITIALIZER, MODEL_INITIALIZER)


class Followers:
    """Gives every line of the nodes that are asked for to ``emit``, each once, and those of one node in order.

    :param restarted: told when rank 0 was restarted or replaced, before its new lines.
    """

    def __init__(
        self,
        api: TrainJobApi,
        *,
        trainer_job: str,
        log_nodes: LogNodes,
        emit: Callable[[LogLine], None],
        drain: Drain,
        note: Note,
        restarted: Callable[[str], None],
    ) -> None:
        self._api = api
        self._trainer_job = trainer_job
        self._log_nodes = log_nodes
        self._emit = emit
        self._drain = drain
        self._note = note
        self._restarted = restarted
        self._followers: dict[tuple[str, int], LogFollower] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._told: set[tuple[str, int]] = set()
        self._too_many = False
        self._lines = 0

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of rank 0."""
        first = self._followers.get((self._trainer_job, 0))
        return tuple(first.tail) if first is not None else ()

    def observe(self, pod: Pod) -> None:
        """Take note of a pod's state."""
        follower = self._follower_of(pod)
        if follower is not None:
            follower.observe(pod)

    def forget(self, pod: Pod) -> None:
        """Take note that a pod is gone."""
        if (follower := self._followers.get((pod.job, pod.index))) is not None:
            follower.forget(pod)

    def tell_last_words(self, pod: Pod, lines: Sequence[LogLine]) -> None:
        """Tell the last lines of a node that failed, where not all that it writes is told.

        Of a thousand such nodes, those of the first ones.
        """
        place = pod.job, pod.index
        full = place not in self._told and len(self._told) >= MAX_TOLD
        if not lines or place in self._followers or full:
            return
        self._told.add(place)
        tail = lines[-TAIL_LINES:]
        how = pod.main.failure if pod.main is not None else "an error"
        self._note(f"Pod {pod.name} ended with {how}; its last lines:", just_before(tail[0].timestamp))
        for line in tail:
            self._emit(replace(line, step=step_of(pod, self._trainer_job)))

    async def read_out(self, last: tuple[str, int] | None = None) -> None:
        """Read what there is, and no pods that come later, as long as lines come; tell where that was not all.

        :param last: uid of a pod, and number of the run of its container that is the last to be read.
        """
        reading = asyncio.create_task(self._read_all() if last is None else self._read_until(*last))
        until, silent = time.monotonic() + LONGEST_SECONDS, False
        try:
            while not (reading.done() or silent) and time.monotonic() < until:
                before = self._lines
                await asyncio.wait({reading}, timeout=SILENT_SECONDS)
                silent = self._lines == before
            if not reading.done():
                why = f"no line came for {SILENT_SECONDS:g} s" if silent else f"it took over {LONGEST_SECONDS:g} s"
                self._note(f"The log was not read to its end: {why}", None)
        finally:
            reading.cancel()

    async def close(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read_all(self) -> None:
        for follower in self._followers.values():
            follower.finish()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _read_until(self, pod_uid: str, run: int) -> None:
        for follower in self._followers.values():
            await follower.until_read(pod_uid, run)

    def _tell(self, line: LogLine) -> None:
        self._lines += 1
        self._emit(line)

    def _follower_of(self, pod: Pod) -> LogFollower | None:
        place = pod.job, pod.index
        if place not in self._followers and self._is_wanted(pod):
            first = place == (self._trainer_job, 0)
            self._followers[place] = follower = LogFollower(
                self._api,
                job=pod.job,
                index=pod.index,
                step="" if first else step_of(pod, self._trainer_job),
                emit=self._tell,
                drain=self._drain,
                note=self._note,
                restarted=self._restarted if first else lambda pod: None,
            )
            self._tasks.append(asyncio.create_task(follower.run()))
        return self._followers.get(place)

    def _is_wanted(self, pod: Pod) -> bool:
        if pod.job != self._trainer_job:
            return pod.job in _INITIALIZERS
        if pod.index == 0:
            return True
        if self._log_nodes != "all" and pod.index not in self._log_nodes:
            return False
        if len(self._followers) >= MAX_FOLLOWED:
            if not self._too_many:
                self._note(f"The logs of {MAX_FOLLOWED} nodes are followed; of further ones only where they fail", None)
            self._too_many = True
            return False
        return True


def step_of(pod: Pod, trainer_job: str) -> str:
    """Name a pod as the Kubeflow SDK names steps: ``node-1``, ``dataset-initializer``."""
    return f"{pod.job}-{pod.index}" if pod.job == trainer_job else pod.job
