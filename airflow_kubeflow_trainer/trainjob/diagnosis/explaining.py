"""Why a TrainJob failed, or does not start: one sentence of cause, what it rests on, one sentence of what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_kubeflow_trainer.trainjob.diagnosis import judging
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue import Source
from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause, Diagnosis
from airflow_kubeflow_trainer.trainjob.diagnosis.evidence import Evidence, failure_of
from airflow_kubeflow_trainer.trainjob.diagnosis.judging import Finding, Worth
from airflow_kubeflow_trainer.trainjob.phase import PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod

MAX_EVIDENCE = 8


def diagnose_failure(report: PhaseReport, evidence: Evidence) -> Diagnosis:
    """Explain a TrainJob that ended as failed."""
    words = ": ".join(word for word in (report.reason, report.message) if word)
    own = judging.match(Source.TRAINJOB, words)
    if own is not None and own.worth is Worth.CAUSE:
        return _of_trainjob(own)
    judged = [(pod, judging.judge_pod(pod, evidence.logs.get(pod.name, ()))) for pod in evidence.ended_badly()]
    if judged:
        return _of_pod(*min(judged, key=_blame), evidence.trainer_job)
    if own is not None:
        return _of_trainjob(own)
    return Diagnosis(
        Cause.UNKNOWN,
        f"The TrainJob failed ({words or 'without a word'}), and no pod of it was seen to fail",
        remedy="Look at the events of its pods and of the namespace; Kubernetes deletes the pods soon after a failure",
        evidence=(words,) if words else (),
    )


def diagnose_success(trainjob: Mapping[str, Any], evidence: Evidence) -> Diagnosis | None:
    """Say what is wrong with a TrainJob that calls itself complete; None where nothing is.

    Trainer 2.3 completes a TrainJob with numNodes 0, or whose JobSet was emptied, without running anything. Where all
    pods are gone by now, its own count of Jobs that succeeded is believed.
    """
    if evidence.trainer_succeeded:
        return None
    nodes = ((trainjob.get("spec") or {}).get("trainer") or {}).get("numNodes", 1)
    counts = {job["name"]: job.get("succeeded") for job in (trainjob.get("status") or {}).get("jobsStatus") or []}
    seen = any(pod.job == evidence.trainer_job for pod in evidence.pods.values())
    if nodes and counts.get(evidence.trainer_job) and not seen:
        return None
    return Diagnosis(
        Cause.UNKNOWN,
        f"The TrainJob is Complete, but no pod of its replicated job {evidence.trainer_job!r} succeeded: "
        "nothing was trained",
        remedy="Set num_nodes to 1 or more, and see that nobody empties its JobSet",
    )


def diagnose_not_started(
    waited: str | None, report: PhaseReport, evidence: Evidence, events: Iterable[str]
) -> Diagnosis:
    """Explain a TrainJob that does not train yet.

    :param waited: which clock ran out and how long it was, for example ``startup_timeout (3600 s)``; None where none
        has.
    :param events: the warnings that Kubernetes recorded, newest last.
    """
    troubles = [pod.trouble for pod in evidence.pods.values() if pod.phase == "Pending" and pod.trouble]
    own = ": ".join(word for word in (report.reason, report.message) if word)
    events = list(dict.fromkeys(events))
    found = judging.judge_waiting([*troubles, *reversed(events), own])
    reasons = list(dict.fromkeys([*evidence.troubles(), *events]))[-MAX_EVIDENCE:]
    still = f"It was still {report} when {waited} ran out" if waited else f"It is {report}"
    if found is not None:
        words = "; ".join(_with_pod(said, evidence) for said in found.evidence)
        message, remedy = f"{still}: {found.says} ({words})", found.remedy
    else:
        message, remedy = f"{still}: {'; '.join(reasons[-5:]) or 'the cluster gave no reason'}", ""
    return Diagnosis(
        Cause.NOT_STARTED,
        message,
        remedy=remedy,
        evidence=tuple(reasons),
        name=found.entry.name if found is not None and found.entry else "",
    )


def _with_pod(said: str, evidence: Evidence) -> str:
    """Name the first of the pods whose trouble something is."""
    pod = next((pod.name for pod in evidence.pods.values() if pod.phase == "Pending" and pod.trouble == said), None)
    return said if pod is None else f"{pod}: {said}"


def _blame(judged: tuple[Pod, Finding]) -> tuple[bool, bool, int, float, int]:
    """Order pods by how likely their end brought the others'.

    A known cause counts, however late it shows. Else the first to end made the others end: by a lost connection, or
    because Kubernetes stopped them.
    """
    pod, finding = judged
    failure = failure_of(pod)
    ended = failure.finished_at if failure is not None else pod.created_at
    return finding.worth is not Worth.CAUSE, pod.stopping, -finding.worth, ended, pod.index


def _of_trainjob(finding: Finding) -> Diagnosis:
    assert finding.entry is not None
    return Diagnosis(
        finding.entry.cause or Cause.UNKNOWN,
        f"{finding.says} ({'; '.join(finding.evidence)})",
        remedy=finding.remedy,
        evidence=finding.evidence,
        name=finding.entry.name,
    )


def _of_pod(pod: Pod, finding: Finding, trainer_job: str) -> Diagnosis:
    where, how = _place(pod), _end(pod)
    by_whom = Cause.USER_CODE if pod.job == trainer_job else Cause.INITIALIZER
    if finding.entry is not None:
        cause = finding.entry.cause or by_whom
        message = f"{finding.says}: {where} {how}"
    elif pod.disrupted:
        cause, message = Cause.INFRASTRUCTURE, f"{finding.says}: {where}"
    else:
        who = "training" if pod.job == trainer_job else pod.job
        why = finding.says or " ".join(finding.evidence)
        cause, message = by_whom, f"The {who} failed: {where} {how}{f', by {why}' if why else ''}"
    seen = f"{pod.name}: {pod.disrupted or failure_of(pod)}"
    return Diagnosis(
        cause,
        message,
        pod.name,
        remedy=finding.remedy,
        evidence=(seen, *(line for line in finding.evidence if line not in seen))[:MAX_EVIDENCE],
        name=finding.entry.name if finding.entry is not None else "",
    )


def _place(pod: Pod) -> str:
    container = f"container {pod.main.name} of " if pod.main is not None and not pod.disrupted else ""
    return f"{container}pod {pod.name}" + (f" on node {pod.node}" if pod.node else "")


def _end(pod: Pod) -> str:
    if pod.disrupted or pod.main is None or pod.main.failure is None:
        return f"was ended ({pod.disrupted})"
    restarts = pod.main.restart_count
    again = f", after {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""
    return f"ended with {pod.main.failure}{again}"
