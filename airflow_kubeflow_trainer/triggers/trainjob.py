"""TrainJobTrigger: waits for one TrainJob on behalf of one try of a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_kubeflow_trainer.cluster import waiting
from airflow_kubeflow_trainer.cluster.ending import stop
from airflow_kubeflow_trainer.cluster.patience import patiently
from airflow_kubeflow_trainer.cluster.waiting import Outcome, Reporter, WaitSpec
from airflow_kubeflow_trainer.config.actions import OnKillAction
from airflow_kubeflow_trainer.exceptions import ApiError, ConflictError, KubeflowTrainerError, NotFoundError, words_of
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause, Diagnosis
from airflow_kubeflow_trainer.triggers import log_channel
from airflow_kubeflow_trainer.triggers.event import TrainJobEvent, event_of
from airflow_kubeflow_trainer.triggers.record import record_of
from airflow_kubeflow_trainer.triggers.task_state import TaskKey, announced_uid, is_over
from airflow_kubeflow_trainer.triggers.tasklog import TaskLogReporter

STOP_SECONDS, KILL_FLUSH_SECONDS = 20.0, 5.0
"""Bounds on ending a TrainJob, and on having the words about it read; Airflow's own for on_kill is 30."""
SUPERSEDED_SECONDS = 5.0


class TrainJobTrigger(BaseTrigger):
    """Waits until a TrainJob ends, writes its log to the task's, and fires one event.

    Its arguments are stored by Airflow and shown in logs: names, ids and numbers only.

    :param cluster: arguments of :class:`KubeflowTrainerHook`.
    :param wait: a :class:`WaitSpec` as a dict.
    :param task: the :class:`TaskKey` of the task as a dict; identity comes from here, since Airflow gives a trigger
        no task instance in ``dag.test()``.
    :param result: what the task returns where the training succeeds; the event carries it, so that a task can finish
        from the event alone (``dag.test()`` hands it nothing else).
    :param on_kill_action: what becomes of the TrainJob when somebody ends the task.
    """

    def __init__(
        self,
        *,
        cluster: dict[str, Any],
        wait: dict[str, Any],
        task: dict[str, Any],
        result: Any = None,
        on_kill_action: str = OnKillAction.DELETE_TRAINJOB.value,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cluster = cluster
        self.wait = wait
        self.task_key = task
        self.result = result
        self.on_kill_action = on_kill_action
        self._ended = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "cluster": self.cluster,
                "wait": self.wait,
                "task": self.task_key,
                "result": self.result,
                "on_kill_action": self.on_kill_action,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        event = await wait_for_event(
            KubeflowTrainerHook(**self.cluster),
            WaitSpec(**self.wait),
            TaskKey(**self.task_key),
            self.result,
            self.log,
        )
        if event["cause"] == Cause.DELETED and await self._is_superseded():
            # A new try has deleted it, and Airflow is about to cancel us. Where it is not (SQLite gives the next
            # trigger our id, and Airflow takes us for that one), the new try has to hear of it, to wait anew with a
            # trigger of its own; but not so soon that the scheduler has yet to take note of its deferral.
            await asyncio.sleep(SUPERSEDED_SECONDS)
        # Nothing may be awaited between here and the end: a cancel in between would run on_kill on a job that ended.
        self._ended = True
        yield TriggerEvent(dict(event))  # type: ignore[no-untyped-call]

    async def _is_superseded(self) -> bool:
        try:
            return bool(await announced_uid(TaskKey(**self.task_key)) != self.wait["uid"])
        except Exception as error:  # noqa: BLE001 (whatever hinders it, how the TrainJob ended is worth more)
            self.log.debug("Not known whether another try has begun: %s", words_of(error))
            return False

    async def on_kill(self) -> None:
        """Stop the TrainJob, where the try that it belongs to is really over (Airflow 3.3 and later)."""
        if not self._ended:
            await _to_its_end(self._end())

    async def cleanup(self) -> None:
        """Do before Airflow 3.3 what ``on_kill`` does after it: there, triggers have only this."""
        if not self._ended and self.trigger_id is not None and not hasattr(BaseTrigger, "on_kill"):
            await _to_its_end(self._end())

    async def _end(self) -> None:
        await self._stop_if_over()
        await log_channel.flush(KILL_FLUSH_SECONDS)

    async def _stop_if_over(self) -> None:
        spec, action = WaitSpec(**self.wait), OnKillAction(self.on_kill_action)
        where = f"TrainJob {spec.name}"
        if spec.uid is None or action is OnKillAction.KEEP_TRAINJOB:
            self.log.info("%s is kept (on_kill_action is %s)", where, action.value)
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                if not await is_over(TaskKey(**self.task_key), spec.uid):
                    self.log.info("%s is left alone: its try goes on elsewhere", where)
                    return
                # Shared, for a thousand may be ended at once.
                async with KubeflowTrainerHook(**self.cluster).share() as cluster:
                    done = await patiently(partial(stop, cluster.api, action, name=spec.name, uid=spec.uid))
                self.log.info("The task was ended: %s %s", where, done)
        except (NotFoundError, ConflictError):
            self.log.info("%s is gone already", where)
        except Exception as error:  # noqa: BLE001 (Airflow would swallow it, and nobody would know of the job left behind)
            why = f"not done within {STOP_SECONDS:g} s" if isinstance(error, TimeoutError) else words_of(error)
            self.log.error("If the task was ended, %s could not be stopped, and may go on: %s", where, why)


async def wait_for_event(
    hook: KubeflowTrainerHook, spec: WaitSpec, task: TaskKey, result: Any, log: Any
) -> TrainJobEvent:
    """Wait for a TrainJob and pack how it ended; a cluster that cannot be asked is an outcome too."""
    namespace = hook.given_namespace or ""
    metrics: dict[str, Any] = {}
    try:
        async with hook.share() as cluster:
            namespace = cluster.api.namespace
            reporter: Reporter = TaskLogReporter(log, name=spec.name, namespace=namespace)
            recording = await record_of(task, spec, namespace)
            outcome = await waiting.wait(cluster.api, spec, reporter, feeds=cluster.feeds, recording=recording)
            metrics = recording.recorder.final_metrics()
    except ApiError as error:
        outcome = Outcome(diagnosis=Diagnosis(Cause.UNREACHABLE, f"The cluster refused to tell: {error}"), alive=True)
    except Exception as error:
        # Without an event the task would end with a bare traceback, and no clean-up.
        if not isinstance(error, KubeflowTrainerError):
            log.exception("Waiting for TrainJob %s broke off", spec.name)
        outcome = Outcome(diagnosis=Diagnosis(Cause.UNREACHABLE, words_of(error)), alive=True)
    if outcome.diagnosis is not None:
        log.error("TrainJob %s/%s did not succeed. %s", namespace, spec.name, outcome.diagnosis)
    await log_channel.flush()
    return event_of(outcome, name=spec.name, namespace=namespace, uid=spec.uid, result=result, metrics=metrics)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that must not be cut short.

    The triggerer sends its cancel again at the next sync, about a second later, in silence; the work goes on in a task
    of its own, and those repeated cancels are swallowed. It bounds its own time.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
