"""Saying why a TrainJob failed, or does not start, from what the cluster still has of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.cluster.events import events_about
from airflow_kubeflow_trainer.cluster.feed import Feeds
from airflow_kubeflow_trainer.cluster.inbox import Inbox
from airflow_kubeflow_trainer.cluster.tails import Tails
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError, ForbiddenError
from airflow_kubeflow_trainer.trainjob import queue
from airflow_kubeflow_trainer.trainjob.diagnosis import (
    Diagnosis,
    Evidence,
    diagnose_failure,
    diagnose_not_started,
    diagnose_success,
)
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport, phase_of
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.starting import trouble_of

READ_SECONDS, KUEUE_SECONDS = 30.0, 5.0
"""How long the logs of pods that failed, and Kueue's words, may take to be read."""


@dataclass(frozen=True)
class Examination:
    """How a TrainJob is."""

    report: PhaseReport
    diagnosis: Diagnosis | None
    """None where it succeeded, or trains."""
    log_tail: tuple[str, ...]
    """The last lines of the pod that is to blame, as far as it is still there."""


async def examine(api: TrainJobApi, name: str, *, trainer_job: str) -> Examination:
    """Look why a TrainJob failed, or why it does not train.

    :param trainer_job: the runtime's replicated job that trains.
    :raises NotFoundError: there is no such TrainJob.
    """
    trainjob = await api.get(name)
    report = phase_of(trainjob, trainer_job=trainer_job)
    evidence = Evidence(trainer_job)
    # Without permission to see pods there is less to say.
    with contextlib.suppress(ForbiddenError):
        for pod in await api.pods(name):
            evidence.remember(Pod.from_object(pod))
    await _read_logs(api, evidence)
    diagnosis = await _diagnose(api, trainjob, report, evidence)
    tail = evidence.logs.get(diagnosis.pod or "", ()) if diagnosis is not None else ()
    return Examination(report, diagnosis, tail)


async def _diagnose(
    api: TrainJobApi, trainjob: Mapping[str, Any], report: PhaseReport, evidence: Evidence
) -> Diagnosis | None:
    if report.phase is Phase.SUCCEEDED:
        return diagnose_success(trainjob, evidence)
    if report.phase is Phase.FAILED or any(
        report.phase is not Phase.RUNNING or not _runs_again(pod) for pod in evidence.ended_badly()
    ):
        return diagnose_failure(report, evidence)
    if report.phase is Phase.RUNNING:
        return None
    return diagnose_not_started(None, report, evidence, await _reasons(api, trainjob, evidence, report.phase))


def _runs_again(pod: Pod) -> bool:
    return pod.main is not None and pod.main.running and not pod.disrupted


async def _read_logs(api: TrainJobApi, evidence: Evidence) -> None:
    tails = Tails(api, lambda pod, lines: evidence.hear(pod.name, [line.text for line in lines]))
    for pod in evidence.ended_badly():
        if pod.main is not None and pod.main.failure is not None:
            tails.keep(pod)
    try:
        await tails.settle(READ_SECONDS)
    finally:
        await tails.close()


async def _reasons(api: TrainJobApi, trainjob: Mapping[str, Any], evidence: Evidence, phase: Phase) -> list[str]:
    """Give what Kubernetes warns of, and why Kueue lets it wait."""
    found: list[str] = []
    with contextlib.suppress(ApiError, ClusterUnreachableError):
        events = await events_about(api, trainjob, evidence.pods)
        found = [trouble.words for event in events if (trouble := trouble_of(event, now=time.time())) is not None]
    if phase is Phase.QUEUED and queue.QUEUE_LABEL in (trainjob["metadata"].get("labels") or {}):
        found += await _words_of_kueue(api, trainjob["metadata"]["name"])
    return found


async def _words_of_kueue(api: TrainJobApi, name: str) -> list[str]:
    heard: Inbox[WatchEvent | Exception] = Inbox()
    found: list[str] = []
    with Feeds.of_one(api, name).workloads.subscribe(name, heard.put), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KUEUE_SECONDS):
            # All that there is comes first; where nobody may listen to Kueue, the exception does.
            while isinstance(event := await heard.get(), WatchEvent) and event.type is not WatchType.SYNCED:
                reason = queue.why_it_waits(event.object) if event.is_change else None
                found += [reason] if reason else []
    return found
