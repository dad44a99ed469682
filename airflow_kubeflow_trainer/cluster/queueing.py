"""Listening to Kueue while a TrainJob waits in its queue. That it cannot be heard costs words only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from airflow_kubeflow_trainer.cluster.feed import Feed
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import ForbiddenError, NotFoundError
from airflow_kubeflow_trainer.trainjob import queue
from airflow_kubeflow_trainer.trainjob.queue import OLDER_KUEUE

STUCK_SECONDS = 30.0
"""How long after Kueue's admission a TrainJob may stay suspended before somebody is told."""


class Listener(Protocol):
    """Who is told."""

    def note(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...


class Queue:
    """The Workload of one TrainJob.

    :param submitted: what :func:`queue.submitted_parts` said of it.
    :param put: has a function called in the wait's own turn.
    """

    def __init__(
        self,
        feed: Feed,
        name: str,
        submitted: Mapping[str, Any],
        listener: Listener,
        put: Callable[[Callable[[], None]], None],
    ) -> None:
        self._feed = feed
        self._name = name
        self._submitted = submitted
        self._listener = listener
        self._put = put
        self._joined = contextlib.ExitStack()
        self._listening = False
        self._workload: Mapping[str, Any] = {}
        self._suspended = False
        self._told: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def reasons(self) -> list[str]:
        """Why it is still in the queue, as far as Kueue says."""
        if self._stuck in self._told:
            return [self._stuck]
        reason = queue.why_it_waits(self._workload)
        return [reason] if reason else []

    def see_trainjob(self, trainjob: Mapping[str, Any], *, suspended: bool) -> None:
        """Listen where the TrainJob is in a queue, and compare it with what was submitted."""
        self._suspended = suspended
        if queue.QUEUE_LABEL not in (trainjob["metadata"].get("labels") or {}):
            return
        if not self._listening:
            self._listening = True
            self._joined.enter_context(self._feed.subscribe(self._name, self._hear))
        lost = queue.lost_parts(self._submitted, trainjob)
        if lost:
            self._warn(f"On its way through the queue it has lost {', '.join(lost)}. {OLDER_KUEUE}")

    def close(self) -> None:
        """Listen no more."""
        self._joined.close()
        if self._timer is not None:
            self._timer.cancel()

    def _hear(self, event: WatchEvent | Exception) -> None:
        self._put(lambda: self._see(event))

    def _see(self, event: WatchEvent | Exception) -> None:
        if isinstance(event, Exception):
            self._explain_silence(event)
        elif event.is_change and event.type is not WatchType.DELETED:
            self._workload = event.object
            for key, words in queue.statements(event.object):
                if key not in self._told:
                    self._told.add(key)
                    self._listener.note(f"Kueue: {words}")
            self._watch_admission()

    def _explain_silence(self, error: Exception) -> None:
        if isinstance(error, NotFoundError):
            self._warn(
                "It has a queue_name, and the cluster no Kueue (no API kueue.x-k8s.io), so that it has no effect"
            )
        elif isinstance(error, ForbiddenError):
            self._warn(f"Not permitted to watch Kueue's workloads, so it is not told why it waits: {error.message}")
        else:
            self._warn(f"Kueue's workloads cannot be read, so it is not told why it waits: {error}")

    def _watch_admission(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if queue.admitted_at(self._workload) is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(STUCK_SECONDS, self._put, self._check_admission)

    def _check_admission(self) -> None:
        if self._suspended and queue.admitted_at(self._workload) is not None:
            self._warn(self._stuck)

    @property
    def _stuck(self) -> str:
        return f"Kueue has admitted it, and it is still suspended. {OLDER_KUEUE}: leave out queue_name, or update Kueue"

    def _warn(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._listener.warning(text)
