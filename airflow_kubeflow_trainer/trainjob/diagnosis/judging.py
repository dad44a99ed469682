"""Holding what was seen against the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from airflow_kubeflow_trainer.trainjob.diagnosis import tracebacks
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue import CATALOGUE, Entry, Source, Weight
from airflow_kubeflow_trainer.trainjob.diagnosis.evidence import failure_of
from airflow_kubeflow_trainer.trainjob.diagnosis.tracebacks import Chain, Raised
from airflow_kubeflow_trainer.trainjob.pods import Pod

MAX_EVIDENCE_LINE = 400


class Worth(IntEnum):
    """How well something explains a failure."""

    SYMPTOM = 1
    """It shows that something else failed."""
    NOTHING = 2
    """It failed, and nobody knows why: better than one that only noticed."""
    EXCEPTION = 3
    """An exception that the catalogue does not know."""
    GENERAL = 4
    CAUSE = 5


_WORTH = {Weight.CAUSE: Worth.CAUSE, Weight.GENERAL: Worth.GENERAL, Weight.SYMPTOM: Worth.SYMPTOM}

_ENTRIES: defaultdict[Source, list[Entry]] = defaultdict(list)
for _entry in CATALOGUE:
    _ENTRIES[_entry.source].append(_entry)


@dataclass(frozen=True)
class Finding:
    """Something that explains a failure."""

    worth: Worth
    says: str
    remedy: str = ""
    evidence: tuple[str, ...] = ()
    entry: Entry | None = None


def match(source: Source, text: str, *, frames: str = "") -> Finding | None:
    """Find the entry that covers a message."""
    return max(_matches(source, text, frames), key=_specificity, default=None)


def _matches(source: Source, text: str, frames: str) -> Iterable[Finding]:
    for entry in _ENTRIES[source]:
        if entry.frames in frames and (found := entry.pattern.match(text)) is not None:
            groups = {name: (value or "").strip() for name, value in found.groupdict().items()}
            yield Finding(
                _WORTH[entry.weight],
                _tidy(entry.says.format(**groups)),
                _tidy(entry.remedy.format(**groups)),
                tuple(line for line in _evidence_lines(text)),
                entry,
            )


def _specificity(finding: Finding) -> tuple[bool, Worth]:
    # An entry that asks for certain frames knows more than one that takes the message from anybody.
    return bool(finding.entry and finding.entry.frames), finding.worth


def judge_waiting(reasons: Iterable[str]) -> Finding | None:
    """Find what keeps pods from running, among reasons in the words of Kubernetes; of equals the first."""
    return _best(found for reason in reasons if (found := match(Source.WAITING, reason)) is not None)


def judge_pod(pod: Pod, log: Sequence[str]) -> Finding:
    """Say why a pod failed or was taken away.

    :param log: the last lines that it wrote before that.
    """
    if pod.disrupted:
        return match(Source.DISRUPTION, pod.disrupted) or Finding(
            Worth.CAUSE, f"The cluster took the pod away ({pod.disrupted})", evidence=(pod.disrupted,)
        )
    failure = failure_of(pod)
    assert failure is not None
    said = failure.message.splitlines()
    found = [
        match(Source.CONTAINER, str(failure)),
        match(Source.WAITING, f"{failure.reason}: {failure.message}"),
        judge_lines(said),
        judge_lines(log),
    ]
    return _best(finding for finding in found if finding is not None) or Finding(
        Worth.NOTHING, "", evidence=tuple(said[-3:])
    )


def judge_lines(lines: Sequence[str]) -> Finding | None:
    """Say what the last lines of a program that failed tell of its failure; None where they tell nothing."""
    chains = tracebacks.fatal_chains(lines)
    found = [*(judge_chain(chain) for chain in chains), *_judge_outputs(lines)]
    return _best(found)


def judge_chain(chain: Chain) -> Finding:
    """Say what a traceback tells: of equals what was raised first, which led to the rest."""
    known = _best(
        finding
        for raised in chain.raised
        if (finding := match(Source.EXCEPTION, raised.text, frames=raised.frames)) is not None
    )
    heads = tuple(raised.first_line[:MAX_EVIDENCE_LINE] for raised in chain.raised)
    if known is None:
        return Finding(Worth.EXCEPTION, _in_words(chain.raised), evidence=heads)
    evidence = tuple(dict.fromkeys((*heads, *known.evidence)))
    return Finding(known.worth, known.says, known.remedy, evidence, known.entry)


def _judge_outputs(lines: Sequence[str]) -> Iterable[Finding]:
    for line in tracebacks.outputs(lines):
        found = match(Source.OUTPUT, line)
        if found is not None:
            yield found


def _in_words(raised: Sequence[Raised]) -> str:
    root, last = raised[0], raised[-1]
    if root.first_line == last.first_line:
        return root.first_line[:MAX_EVIDENCE_LINE]
    return f"{root.first_line[:MAX_EVIDENCE_LINE]}, which led to {last.first_line[:MAX_EVIDENCE_LINE]}"


def _best(findings: Iterable[Finding]) -> Finding | None:
    return max(findings, key=lambda finding: finding.worth, default=None)


def _evidence_lines(text: str) -> list[str]:
    return [line.strip()[:MAX_EVIDENCE_LINE] for line in text.splitlines() if line.strip()][:3]


def _tidy(sentence: str) -> str:
    """Take out what an absent group leaves behind."""
    return " ".join(sentence.replace("( more were wanted)", "").replace("()", "").split()).rstrip(": ")
