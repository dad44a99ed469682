"""Following the logs of all nodes of a TrainJob that are asked for: rank 0, others by request, and the initializers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

from airflow_kubeflow_trainer.cluster.log_lines import LogLine, just_before
from airflow_kubeflow_trainer.cluster.logs import Drain, LogFollower, Note
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.runtime import DATASET_INITIALIZER, MODEL_INITIALIZER

LogNodes = Sequence[int] | Literal["all"]
"""Which nodes' logs are wanted beside that of rank 0, by their rank."""
MAX_FOLLOWED = 32
"""Each costs a connection."""
MAX_TOLD, TAIL_LINES = 8, 20
"""Of so many nodes that fail and are not followed so many lines are told."""
SILENT_SECONDS, LONGEST_SECONDS = 15.0, 150.0
"""How long the end of a log is waited for without a line, and at all, once the TrainJob has ended. After one silence it
is asked for afresh, after another it is given up."""
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
        self._take_another = drain
        self._note = note
        self._restarted = restarted
        self._followers: dict[tuple[str, int], LogFollower] = {}
        self._reading: list[asyncio.Task[None]] = []
        self._told: set[tuple[str, int]] = set()
        self._too_many = False
        self._lines = 0
        self._held_up = 0
        """How many have a line in their hands for which there is no room yet."""
        self._telling: set[asyncio.Task[None]] = set()

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
        telling = asyncio.create_task(self._tell_last_words(pod, lines[-TAIL_LINES:]))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)

    async def read_out(self) -> None:
        """Read what there is, and no pods that come later, as long as lines come; tell where that was not all."""
        for follower in self._followers.values():
            follower.finish()
        await self._as_long_as_lines_come(self._reading)

    async def read_until(self, pod_uid: str, run: int) -> None:
        """Read all that one run of a container wrote, as long as lines come; tell where that was not all."""
        await self._as_long_as_lines_come(
            asyncio.create_task(follower.until_read(pod_uid, run)) for follower in self._followers.values()
        )

    async def tell_out(self) -> None:
        """Tell what has been read, and read no more."""
        await self._as_long_as_lines_come(())

    async def close(self) -> None:
        """Stop reading."""
        tasks = [*self._reading, *self._telling]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _as_long_as_lines_come(self, work: Iterable[asyncio.Task[None]]) -> None:
        pending = {*work, *self._telling}
        until, silences = time.monotonic() + LONGEST_SECONDS, 0
        try:
            while pending and silences < 2 and (left := until - time.monotonic()) > 0:
                before = self._lines
                _, pending = await asyncio.wait(pending, timeout=min(SILENT_SECONDS, left))
                silent = self._lines == before and not self._held_up
                silences = silences + 1 if silent else 0
                if silent:
                    self._ask_again()
        finally:
            for task in pending:
                task.cancel()
        if pending:
            why = (
                f"no line came for {2 * SILENT_SECONDS:g} s" if silences > 1 else f"it took over {LONGEST_SECONDS:g} s"
            )
            self._note(f"The log was not read to its end: {why}", None)

    def _ask_again(self) -> None:
        """Ask afresh for what says nothing: its connection may be dead, and the log be there."""
        for follower in self._followers.values():
            follower.ask_again()

    async def _drain(self) -> None:
        self._held_up += 1
        try:
            await self._take_another()
        finally:
            self._held_up -= 1

    async def _tell_last_words(self, pod: Pod, lines: Sequence[LogLine]) -> None:
        how = pod.main.failure if pod.main is not None else "an error"
        self._note(f"Pod {pod.name} ended with {how}; its last lines:", just_before(lines[0].timestamp))
        for line in lines:
            await self._drain()
            self._tell(replace(line, step=step_of(pod, self._trainer_job)))

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
            self._reading.append(asyncio.create_task(follower.run()))
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
