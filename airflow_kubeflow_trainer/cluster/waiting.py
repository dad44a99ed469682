"""Waiting for one TrainJob: the one place that does it, for triggers, for workers and for the hook.

Two feeds (the TrainJob, its pods), which other waits may share, and the log of rank 0 fill one inbox; one loop takes
from it, tells what it sees to a :class:`Reporter` and ends with an :class:`Outcome`. All clocks start at timestamps of
the server, so that they go on where another process takes the waiting over.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow_kubeflow_trainer.cluster.feed import Feeds
from airflow_kubeflow_trainer.cluster.followers import Followers
from airflow_kubeflow_trainer.cluster.inbox import Inbox
from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.cluster.patience import patiently
from airflow_kubeflow_trainer.cluster.queueing import Queue
from airflow_kubeflow_trainer.cluster.recording import Recording
from airflow_kubeflow_trainer.cluster.startup import Startup
from airflow_kubeflow_trainer.cluster.suspension import Suspension
from airflow_kubeflow_trainer.cluster.tails import Tails
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.wait_spec import Outcome as Outcome
from airflow_kubeflow_trainer.cluster.wait_spec import Reporter as Reporter
from airflow_kubeflow_trainer.cluster.wait_spec import WaitSpec as WaitSpec
from airflow_kubeflow_trainer.cluster.watch import GIVE_UP_SECONDS, WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError, ForbiddenError
from airflow_kubeflow_trainer.trainjob.clocks import Clocks, Expiry, suspension_changed_at
from airflow_kubeflow_trainer.trainjob.diagnosis import (
    Cause,
    Diagnosis,
    Evidence,
    diagnose_failure,
    diagnose_not_started,
    diagnose_success,
)
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.restarts import FailedRuns, why_not_again

TAILS_SECONDS = 15.0
"""How long the last lines of pods that failed are waited for once the TrainJob has ended."""
TAIL_LINES = 20
LAST_POD_SECONDS = 5.0
"""How long the end of a TrainJob is waited for when a pod of its has failed for good."""


async def wait(
    api: TrainJobApi,
    spec: WaitSpec,
    reporter: Reporter,
    *,
    feeds: Feeds | None = None,
    recording: Recording | None = None,
    now: Callable[[], float] = time.time,
) -> Outcome:
    """Wait until the TrainJob ends, or one of its clocks runs out. Never touches the TrainJob.

    :param feeds: what tells of the TrainJob. Default: feeds of its own.
    :param recording: takes down how it goes. Default: nobody does.
    :raises ApiError: the API server refuses to tell (401, 403).
    :raises ClusterUnreachableError: no answer for ten minutes.
    """
    feeds = feeds or Feeds.of_one(api, spec.name)
    waiting = _Waiting(api, spec, reporter, feeds, recording, now)
    if recording is not None:
        recording.start(waiting.events)
    try:
        with (
            feeds.trainjobs.subscribe(spec.name, waiting.hear_of_trainjob),
            feeds.pods.subscribe(spec.name, waiting.hear_of_pod),
        ):
            diagnosis = await waiting.until_over()
            await waiting.read_out()
        if waiting.report is not None:
            waiting.tell(waiting.report)
        if recording is not None:
            await recording.finish(diagnosis)
        return waiting.outcome(diagnosis)
    finally:
        try:
            await waiting.close()
        finally:
            # Also where somebody cancels once more, as a triggerer does.
            if recording is not None:
                await recording.close()


class _Waiting:
    """The state of one wait."""

    def __init__(
        self,
        api: TrainJobApi,
        spec: WaitSpec,
        reporter: Reporter,
        feeds: Feeds,
        recording: Recording | None,
        now: Callable[[], float],
    ) -> None:
        self.report: PhaseReport | None = None
        self._api = api
        self._spec = spec
        self._reporter = reporter
        self._recording = recording
        self._now = now
        self._evidence = Evidence(spec.trainer_job)
        self._clocks = Clocks(spec)
        # What another process has told already is told once.
        self._told_phase: str | None = recording.recorder.phase if recording is not None else None
        self._startup = Startup(api, self._evidence, reporter, now=now, heard=self._hear_of_events)
        self._queue = Queue(feeds.workloads, spec.name, spec.submitted, reporter, self._put)
        self._suspension = Suspension(spec.trainer_job, reporter.warning, self._put)
        self._trainjob: dict[str, Any] | None = None
        self._tails = Tails(api, self._judge)
        self._failed_runs = FailedRuns()
        self._given_up: tuple[str, int] | None = None
        """Uid of a pod, and which run of its was the last."""
        self._pods_hidden = False
        self._inbox: Inbox[Callable[[], Diagnosis | None]] = Inbox()
        self._followers = Followers(
            api,
            trainer_job=spec.trainer_job,
            log_nodes=spec.log_nodes,
            emit=self._tell_line,
            drain=reporter.drain,
            note=reporter.note,
            restarted=self._see_restart,
        )
        self._checking: asyncio.Task[None] | None = None

    def hear_of_trainjob(self, event: WatchEvent | Exception) -> None:
        """Take in what the feed of TrainJobs tells. Called from the feed's task: nothing is done there."""
        if isinstance(event, WatchEvent) and event.type is WatchType.SYNCED and self._trainjob is not None:
            # Everybody is told of a new list, and nobody whose TrainJob is known needs to wake.
            return
        self._put(_raiser(event) if isinstance(event, Exception) else lambda: self._see_trainjob(event))

    def hear_of_pod(self, event: WatchEvent | Exception) -> None:
        """Take in what the feed of pods tells; not to be permitted to see them costs only words."""
        if isinstance(event, ForbiddenError):
            self._put(lambda: self._hide_pods(event))
        elif isinstance(event, Exception):
            self._put(_raiser(event))
        elif event.is_change:
            self._put(lambda: self._see_pod(event))

    def _put(self, see: Callable[[], Diagnosis | None]) -> None:
        self._inbox.put(see)

    async def until_over(self) -> Diagnosis | None:
        """Take in one thing after another until the TrainJob has ended or a clock has run out."""
        while not (self.report and self.report.phase.final):
            expiry = self._clocks.next_expiry(self._trainjob, self.report, self._evidence, self._startup.troubles())
            try:
                async with asyncio.timeout(None if expiry is None else max(0.0, expiry.at - self._now())):
                    see = await self._inbox.get()
            except TimeoutError:
                assert expiry is not None
                return await self._diagnose_expiry(expiry)
            gone = see()
            if gone is not None:
                return gone
            self._tell_changes()
        return await self._diagnose_end(self.report)

    async def read_out(self) -> None:
        """Let the log come to its end, or to that of the run that was the last."""
        if self.report is not None and self.report.phase.final:
            await self._followers.read_out()
        elif self._given_up is not None:
            await self._followers.read_until(*self._given_up)
        else:
            await self._followers.tell_out()

    async def close(self) -> None:
        self._queue.close()
        await self._startup.close()
        await self._tails.close()
        await self._followers.close()
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)

    def tell(self, report: PhaseReport) -> None:
        """Report a phase, once."""
        if report.phase != self._told_phase:
            self._told_phase = report.phase
            self._reporter.phase(report)
            if self._recording is not None:
                pods = self._evidence.pods.values()
                self._recording.see_phase(report, self._trainjob or {}, pods, trainer_job=self._spec.trainer_job)

    def _tell_line(self, line: LogLine) -> None:
        if self._recording is not None and not line.step:
            self._recording.see_line(line)
        self._reporter.line(line)

    def _see_restart(self, pod: str) -> None:
        if self._recording is not None:
            self._recording.see_restart(pod)

    def outcome(self, diagnosis: Diagnosis | None) -> Outcome:
        """Put together what is known at the end."""
        return Outcome(
            diagnosis=diagnosis,
            alive=self.alive(diagnosis),
            log_tail=self.log_tail(diagnosis),
            returned=self._evidence.returned,
        )

    def alive(self, diagnosis: Diagnosis | None) -> bool:
        """Whether the TrainJob goes on although the waiting is over."""
        deleted = diagnosis is not None and diagnosis.cause is Cause.DELETED
        return not deleted and not (self.report and self.report.phase.final)

    def log_tail(self, diagnosis: Diagnosis | None) -> tuple[str, ...]:
        """Give the last words of the pod that the diagnosis names, else the last lines of its log, else of rank 0's."""
        named = diagnosis.pod if diagnosis is not None else None
        return (self._evidence.last_words(named) or self._tails.of(named) or self._followers.tail or self._tails.any())[
            -TAIL_LINES:
        ]

    def _see_trainjob(self, event: WatchEvent) -> Diagnosis | None:
        if self.report is not None and self.report.phase.final:
            # The first end seen is the end: Trainer 2.3 may take the condition back (trainer#3737).
            return None
        match event.type:
            case WatchType.SYNCED:
                if self._trainjob is None:
                    self._check_that_it_is_there()
                return None
            case WatchType.INTERRUPTED:
                self._reporter.note(f"The cluster does not answer, and is asked again: {event.object['message']}")
                return None
            case WatchType.RECOVERED:
                self._reporter.note("The cluster answers again")
                return None
        if self._spec.uid not in (None, event.object["metadata"]["uid"]):
            self._check_that_it_is_there()
            return None
        if event.type is WatchType.DELETED:
            return self._gone("was deleted while the task waited for it")
        if self._trainjob is None:
            self._take_over(event.object)
        self._trainjob = event.object
        if self._recording is not None:
            self._recording.see_trainjob(event.object)
        self._see_phase()
        self._begin_without_pods()
        return None

    def _take_over(self, trainjob: dict[str, Any]) -> None:
        """Count on from when another process saw the training begin: pods know only of their last two runs."""
        before = self._recording.recorder.running_since if self._recording is not None else None
        suspended = suspension_changed_at(trainjob)
        # A suspension that nobody was there to see starts the clock over too.
        if before is not None and not (suspended is not None and suspended > before):
            self._evidence.trained_since = min(self._evidence.trained_since or before, before)

    def _see_phase(self) -> None:
        """Read the phase, which the pods have a say in."""
        if self._trainjob is None or (self.report is not None and self.report.phase.final):
            return
        self.report = self._suspension.phase_of(self._trainjob, before=self.report)
        if self.report.phase is Phase.QUEUED:
            self._evidence.start_over()
        self._queue.see_trainjob(self._trainjob, suspended=self._suspension.said)

    def _check_that_it_is_there(self) -> None:
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check())

    async def _check(self) -> None:
        # A feed that others share may be a moment behind, and has not heard yet of what was created just now.
        try:
            found = await patiently(lambda: self._api.find(name=self._spec.name), seconds=GIVE_UP_SECONDS)
        except Exception as error:  # noqa: BLE001 (an error that nobody hears of would leave the wait hanging)
            self._put(_raiser(error))
            return
        if not found:
            self._put(lambda: self._gone("does not exist (any more)"))
        elif self._spec.uid not in (None, found[0]["metadata"]["uid"]):
            self._put(lambda: self._gone("was deleted, and another one has its name now"))
        else:
            self._put(lambda: self._see_trainjob(WatchEvent(WatchType.ADDED, found[0])))

    def _hide_pods(self, error: ForbiddenError) -> None:
        # Whoever joins a feed of pods begins it anew, and then all are told again that they may not see them.
        if not self._pods_hidden:
            self._reporter.warning(f"Not permitted to list and watch pods, so less can be told: {error.message}")
        self._pods_hidden = True
        self._begin_without_pods()

    def _begin_without_pods(self) -> None:
        """Take the training to have begun when it is first seen to run, where no pod tells."""
        running = self.report is not None and self.report.phase is Phase.RUNNING
        if self._pods_hidden and running and self._evidence.trained_since is None:
            self._evidence.trained_since = self._now()

    def _gone(self, what: str) -> Diagnosis:
        return Diagnosis(Cause.DELETED, f"TrainJob {self._api.namespace}/{self._spec.name} {what}")

    def _see_pod(self, event: WatchEvent) -> None:
        pod = Pod.from_object(event.object)
        self._evidence.remember(pod)
        gone = event.type is WatchType.DELETED
        if self._recording is not None:
            self._recording.see_pod(pod, gone=gone)
        self._suspension.see_pod(pod, gone=gone)
        self._see_phase()
        if gone:
            self._evidence.forget(pod)
            self._followers.forget(pod)
            return
        if self._spec.get_logs:
            self._followers.observe(pod)
        if pod.main is not None and pod.main.failure is not None and not (pod.stopping or pod.disrupted):
            self._tails.keep(pod)

    def _tell_changes(self) -> None:
        if self.report is None:
            return
        if not self.report.phase.final:
            # The last phase is told when the log is complete.
            self.tell(self.report)
        if self._recording is not None and self.report.phase is Phase.QUEUED:
            self._recording.see_queue(self.report, self._queue.reasons)
        self._startup.see(self._trainjob, self.report)

    def _hear_of_events(self, events: list[dict[str, Any]]) -> None:
        if self._recording is not None:
            self._recording.see_events(events)
        self._put(lambda: None)

    def _judge(self, pod: Pod, tail: tuple[LogLine, ...]) -> None:
        """Decide whether a pod that has failed is worth another run."""
        assert pod.main is not None
        assert pod.main.failure is not None
        texts = [line.text for line in tail]
        self._evidence.hear(pod.name, texts)
        self._followers.tell_last_words(pod, tail)
        reason = why_not_again(
            pod.main.failure, texts, failed_runs=self._failed_runs.see(pod), max_restarts=self._spec.max_restarts
        )
        if reason is None:
            return
        # A pod that is over for good often ends its TrainJob by itself, which says more.
        patience = LAST_POD_SECONDS if pod.phase == "Failed" else 0.0
        asyncio.get_running_loop().call_later(patience, self._put, lambda: self._give_up(pod, reason))

    def _give_up(self, pod: Pod, reason: str) -> Diagnosis:
        assert pod.main is not None
        self._given_up = pod.uid, pod.main.ended_run
        found = diagnose_failure(self.report or PhaseReport(Phase.RUNNING), self._evidence)
        return replace(found, message=f"{found.message}. It is not started again: {reason}")

    async def _diagnose_end(self, report: PhaseReport) -> Diagnosis | None:
        # The two watches are not in step: see what pods there are before saying why, or whose log to read to its end.
        try:
            for pod in await patiently(lambda: self._api.pods(self._spec.name)):
                self._see_pod(WatchEvent(WatchType.MODIFIED, pod))
        except (ApiError, ClusterUnreachableError):
            # As they were last seen they may be far behind.
            self._pods_hidden = True
        await self._settle()
        if report.phase is Phase.SUCCEEDED:
            # Without pods the TrainJob's own word counts.
            return None if self._pods_hidden else diagnose_success(self._trainjob or {}, self._evidence)
        return diagnose_failure(report, self._evidence)

    async def _settle(self) -> None:
        """Take in what the pods' watch still holds, and the tails that are being read."""
        for see in self._inbox.rest():
            # The end is known: what a watch has to complain of now changes nothing.
            with contextlib.suppress(ApiError, ClusterUnreachableError):
                see()
        await self._tails.settle(TAILS_SECONDS)

    async def _diagnose_expiry(self, expiry: Expiry) -> Diagnosis:
        report = self.report or PhaseReport(Phase.STARTING)
        # Of several nodes one may have begun, and wait for another that never will.
        trained = self._evidence.trained_since is not None and not expiry.of_start
        if trained and not self._evidence.never_started():
            return Diagnosis(Cause.TIMEOUT, f"It was still {report} when {expiry.clock} ran out")
        reasons = [*await self._startup.warnings(), *self._queue.reasons]
        found = diagnose_not_started(expiry.clock, report, self._evidence, reasons)
        return replace(found, cause=Cause.TIMEOUT) if trained else found

    async def events(self) -> list[dict[str, Any]]:
        """Read what Kubernetes recorded about it."""
        return await self._startup.events()


def _raiser(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail
