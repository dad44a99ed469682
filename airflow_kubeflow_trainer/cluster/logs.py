"""Following the log of one node of a TrainJob, through restarts, new pods and dropped connections."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from airflow_kubeflow_trainer.cluster.log_lines import LONGEST_LINE, LineReader, LogLine, just_before
from airflow_kubeflow_trainer.cluster.patience import Backoff
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.watch import lines
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError, words_of
from airflow_kubeflow_trainer.trainjob.pods import Pod

TAIL_LINES = 30
RECONNECT_SECONDS = 1.0
"""Until a log that broke off is asked for again the first time, give or take a half."""
SILENCE_SECONDS = 300.0
"""A stream that says nothing for so long may be dead without a word (a load balancer forgets what is idle), and is
left for another one. Of a training that is only quiet this costs a request."""
TRIES_AFTER_THE_END = 5
"""How often a log that broke off is asked for again once its container has ended."""
FORGET_SECONDS = 5.0
"""How long the log of a pod that was deleted may take to end."""


Note = Callable[[str, datetime | None], None]
"""Told what happens to a log, and when, by the clock that its lines have; None: now."""
Drain = Callable[[], Awaitable[None]]
"""Waits until another line can be taken."""


@dataclass(frozen=True)
class _Run:
    """One run of a container; a restart in place is another."""

    pod: Pod
    restart: int


class LogFollower:
    """Gives every line that one node writes to ``emit``, each once and in order.

    Feed it with :meth:`observe` whenever a pod of the job has changed; :meth:`run` does the reading.
    """

    def __init__(
        self,
        api: TrainJobApi,
        *,
        job: str,
        index: int = 0,
        step: str = "",
        emit: Callable[[LogLine], None],
        drain: Drain,
        note: Note,
        restarted: Callable[[str], None] = lambda pod: None,
    ) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._api = api
        self._job = job
        self._index = index
        self._step = step
        self._emit = emit
        self._drain = drain
        self._note = note
        self._restarted = restarted
        self._runs: asyncio.Queue[_Run | None] = asyncio.Queue()
        self._read_to_its_end: dict[tuple[str, int], asyncio.Event] = {}
        """Of each run that is known, by its pod's uid and number."""
        self._latest: dict[str, Pod] = {}
        self._remarks: list[str] = []
        """What there is to say before the next line, such as that another run begins; told with it, whose time is the
        same whoever reads it."""
        self._finishing = False
        self._reading: tuple[str, asyncio.Task[None]] | None = None
        self._unsure: _Run | None = None
        """The run whose log is read once more after a break, and may by now be that of the next one."""
        self._asking_again = False

    def observe(self, pod: Pod) -> None:
        """Take note of a pod's state; pods of other nodes are passed over."""
        if pod.job != self._job or pod.index != self._index or pod.main is None:
            return
        self._latest[pod.uid] = pod
        if pod.main.last_run >= 0:
            self._add(_Run(pod, pod.main.last_run))
        if pod.main.started:
            self._add(_Run(pod, pod.main.restart_count))
        if self._unsure is not None and self._restarts_since(self._unsure) > 0:
            self._unsure = None
            self.ask_again()

    def forget(self, pod: Pod) -> None:
        """Take note that a pod is gone, and with it, soon, its log."""
        self._latest.pop(pod.uid, None)
        if self._reading is not None and self._reading[0] == pod.uid:
            asyncio.get_running_loop().call_later(FORGET_SECONDS, self._reading[1].cancel)

    async def until_read(self, pod_uid: str, run: int) -> None:
        """Wait until all that one run of a container wrote has been emitted; at once where it is none of ours."""
        if (end := self._read_to_its_end.get((pod_uid, run))) is not None:
            await end.wait()
            # Nothing may be read after it.
            self._tell_remarks(None)

    def ask_again(self) -> None:
        """Leave the stream that is being read, or waited for, and ask for the rest of that log at once."""
        if self._reading is not None:
            self._asking_again = True
            self._reading[1].cancel()

    def finish(self) -> None:
        """Say that no more pods will come: :meth:`run` returns when it has read what there is."""
        self._finishing = True
        self._runs.put_nowait(None)

    async def run(self) -> None:
        """Read until :meth:`finish`."""
        first, reader = True, LineReader("")
        while (run := await self._runs.get()) is not None:
            if run.pod.name != reader.pod:
                # Else it knows what was told already: a log that is asked for again is that of the container which
                # runs by now, and a restart may be heard of only later.
                reader = LineReader(run.pod.name, step=self._step)
            if run.restart:
                self._remarks.append(f"Pod {run.pod.name} was restarted in place (restart {run.restart})")
            elif not first:
                self._remarks.append(f"Pod {run.pod.name} took over")
            if run.restart or not first:
                self._restarted(run.pod.name)
            first = False
            await self._read_in_task(run, reader)
            if self._is_kept(run):
                self._tell_remarks(None)
            self._read_to_its_end[run.pod.uid, run.restart].set()
        self._tell_remarks(None)

    async def _read_in_task(self, run: _Run, reader: LineReader, since: str | None = None) -> None:
        """Read one run in a task of its own, which :meth:`forget` and :meth:`ask_again` can end."""
        task = asyncio.create_task(self._read(run, reader, since))
        self._reading = (run.pod.uid, task)
        try:
            await asyncio.wait({task})
        finally:
            self._reading = self._unsure = None
            task.cancel()
        again, self._asking_again = self._asking_again, False
        if task.cancelled() and again:
            await self._read_in_task(run, reader, reader.since)
        elif task.cancelled():
            self._note(f"Pod {run.pod.name} was deleted while its log was read, whose end may be missing", None)
        elif (error := task.exception()) is not None:
            self._note(f"The log of pod {run.pod.name} cannot be read: {words_of(error)}", None)

    def _tell_remarks(self, before: datetime | None) -> None:
        for remark in self._remarks:
            self._note(remark, before and just_before(before))
        self._remarks.clear()

    def _add(self, run: _Run) -> None:
        key = (run.pod.uid, run.restart)
        if key not in self._read_to_its_end:
            self._read_to_its_end[key] = asyncio.Event()
            self._runs.put_nowait(run)

    async def _read(self, run: _Run, reader: LineReader, since: str | None) -> None:
        backoff, tries_left = Backoff(RECONNECT_SECONDS), TRIES_AFTER_THE_END
        asked_at_the_end = False
        while True:
            if not self._is_kept(run):
                # Before the lines of the run whose log there is.
                restart = run.restart + 1
                self._remarks.append(f"What pod {run.pod.name} wrote last before its restart {restart} is not kept")
                return
            try:
                await self._stream(run, reader, since, answered=backoff.reset)
            except (ApiError, ClusterUnreachableError) as error:
                tries_left -= self._is_over(run)
                if _is_refusal(error) or tries_left == 0:
                    raise
                since, self._unsure = reader.since, None if self._restarts_since(run) else run
                # As long as the container runs there may be an answer another time, however late a server asks for it.
                await asyncio.sleep(min(backoff.delay(error, give_up_seconds=math.inf), SILENCE_SECONDS))
                continue
            if self._is_over(run) or asked_at_the_end:
                return
            # Once the TrainJob has ended nobody may hear of the pod's end any more: asked once again, it has said all.
            asked_at_the_end = self._finishing
            # A stream that ends while the container runs was cut off, by a kubelet's restart or a log's rotation; or
            # the pod's watch is a moment behind.
            since, self._unsure = reader.since, None if self._restarts_since(run) else run
            await asyncio.sleep(backoff.pause())
            if self._is_over(run):
                return

    async def _stream(self, run: _Run, reader: LineReader, since: str | None, *, answered: Callable[[], None]) -> None:
        assert run.pod.main is not None
        reader.reconnected()
        previous = self._restarts_since(run) > 0
        async with self._api.stream_log(
            run.pod.name,
            container=run.pod.main.name,
            follow=not previous,
            previous=previous,
            timestamps=True,
            since_time=since,
            answer_within=SILENCE_SECONDS,
        ) as chunks:
            async for raw in lines(chunks, silence_seconds=SILENCE_SECONDS, longest=LONGEST_LINE):
                answered()
                # Before the line, or all those who follow would write one more each.
                await self._drain()
                line = reader.read(raw)
                if reader.moment is not None:
                    self._tell_remarks(reader.moment)
                if line is not None:
                    self.tail.append(line.text)
                    self._emit(line)

    def _restarts_since(self, run: _Run) -> int:
        """How often its container has begun again, or waits to; after once, only the ``previous`` log has the run."""
        main = self._latest.get(run.pod.uid, run.pod).main
        if main is None:
            return 0
        waits = main.last_run == main.restart_count
        return main.restart_count + waits - run.restart

    def _is_kept(self, run: _Run) -> bool:
        return self._restarts_since(run) < 2

    def _is_over(self, run: _Run) -> bool:
        pod = self._latest.get(run.pod.uid)
        return pod is None or pod.main is None or not pod.main.running or self._restarts_since(run) > 0


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.status < 500 and error.status != 429


async def read_log(api: TrainJobApi, pod: Pod, *, follow: bool = False) -> AsyncIterator[LogLine]:
    """Read what the present run of a pod's main container has written; with ``follow`` until it ends."""
    reader = LineReader(pod.name)
    container = pod.main.name if pod.main is not None else None
    async with api.stream_log(pod.name, container=container, follow=follow, timestamps=True) as chunks:
        async for raw in lines(chunks):
            if (line := reader.read(raw)) is not None:
                yield line
