"""Listening to Kueue while a TrainJob waits in its queue. That it cannot be heard costs words only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from airflow_kubeflow_trainer.cluster.feed import Feed
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import ForbiddenError, NotFoundError, words_of
from airflow_kubeflow_trainer.trainjob import queue
from airflow_kubeflow_trainer.trainjob.phase import has_pods, is_held_back
from airflow_kubeflow_trainer.trainjob.queue import OLDER_KUEUE, STUCK

STUCK_SECONDS = 30.0
"""How long after Kueue's admission the pods of a TrainJob may be held back before somebody is told."""
_STUCK = f"{STUCK}. {OLDER_KUEUE}: leave out queue_name"


class Listener(Protocol):
    """Who is told."""

    def note(self, text: str, at: datetime | None = None) -> None: ...
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
        self._joined: contextlib.ExitStack | None = None
        self._workload: Mapping[str, Any] = {}
        self._held_back = False
        self._lost = ""
        self._told: set[str] = set()
        """Warnings."""
        self._said: dict[tuple[str, str], str] = {}
        """What was told last of each condition."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def reasons(self) -> list[str]:
        """Why it is still in the queue, as far as Kueue says."""
        if _STUCK in self._told and self._is_stuck:
            return [f"{STUCK}; it has lost {self._lost}" if self._lost else STUCK]
        reason = queue.why_it_waits(self._workload)
        return [reason] if reason else []

    def see_trainjob(self, trainjob: Mapping[str, Any], *, suspended: bool) -> None:
        """Listen where the TrainJob is in a queue, and compare it with what was submitted.

        :param suspended: whether it says that it is.
        """
        if queue.QUEUE_LABEL not in (trainjob["metadata"].get("labels") or {}):
            return
        if self._joined is None:
            self._joined = contextlib.ExitStack()
            self._joined.enter_context(self._feed.subscribe(self._name, self._hear))
        self._lost = ", ".join(queue.lost_parts(self._submitted, trainjob))
        if self._lost:
            self._warn(f"On its way through the queue it has lost {self._lost}. {OLDER_KUEUE}")
        # Without what it was made with it may say that it is resumed, and nothing comes of it.
        self._held_back = suspended or is_held_back(trainjob) or (bool(self._lost) and not has_pods(trainjob))

    def close(self) -> None:
        """Listen no more."""
        if self._joined is not None:
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
            for statement in queue.statements(event.object):
                self._tell(statement)
            self._watch_admission()

    def _tell(self, statement: queue.Statement) -> None:
        condition = statement.kind, statement.since
        if self._said.get(condition) != statement.words:
            # Other words of a condition that has been told are news of now.
            at = None if condition in self._said else statement.at
            self._said[condition] = statement.words
            self._listener.note(f"Kueue: {statement.words}", at)

    def _explain_silence(self, error: Exception) -> None:
        if isinstance(error, NotFoundError):
            self._warn(
                "It has a queue_name, and the cluster no Kueue (no API kueue.x-k8s.io), so that it has no effect"
            )
        elif isinstance(error, ForbiddenError):
            self._warn(f"Not permitted to watch Kueue's workloads, so it is not told why it waits: {error.message}")
        else:
            self._warn(f"Kueue's workloads cannot be read, so it is not told why it waits: {words_of(error)}")

    def _watch_admission(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if queue.is_admitted(self._workload):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(STUCK_SECONDS, self._put, self._check_admission)

    def _check_admission(self) -> None:
        if self._is_stuck:
            self._warn(_STUCK)

    @property
    def _is_stuck(self) -> bool:
        return self._held_back and queue.is_admitted(self._workload)

    def _warn(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._listener.warning(text)
