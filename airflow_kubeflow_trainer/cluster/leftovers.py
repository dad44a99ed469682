"""What nobody waits for any more: TrainJobs whose task is over, and claims whose TrainJob is gone.

A task that is ended while no triggerer lives (and, before Airflow 3.3, in some more cases) leaves its TrainJob behind.
The next try of the task ends it; where there is none, this does. How tasks stand is for others to know: a DAG asks
Airflow.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from airflow_kubeflow_trainer.cluster.ending import stop
from airflow_kubeflow_trainer.cluster.resources import PERSISTENT_VOLUME_CLAIMS, TRAINJOBS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.config.actions import OnKillAction
from airflow_kubeflow_trainer.exceptions import ConfigError, ConflictError, NotFoundError
from airflow_kubeflow_trainer.trainjob.identity import (
    CLAIM_ANNOTATION,
    HASH_LENGTH,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    ON_KILL_ANNOTATION,
    TaskIdentity,
)
from airflow_kubeflow_trainer.trainjob.phase import phase_of
from airflow_kubeflow_trainer.trainjob.pods import JOBSET_NAME_LABEL, seconds

DEFAULT_AGE_SECONDS = 600.0
"""Younger ones are left alone: a try says which TrainJob is its own only some moments after it has created it."""
_LIKE_OURS = re.compile(rf"(.+-)?[t0-9a-f][0-9a-f]{{{HASH_LENGTH - 1}}}")
"""Names that a TrainJob of ours may have had, and somebody else's as well: ``llama-20250101``."""

CANNOT = "cannot be ended"
"""How it is said of what goes on although it should not."""


class Standing(StrEnum):
    """How the try stands that a TrainJob belongs to."""

    GOING_ON = "going on"
    OVER = "over"
    UNKNOWN = "unknown"
    """Whoever was asked knows no such task: it was deleted, or is another Airflow's."""


Ask = Callable[[TaskIdentity, str], Awaitable[Standing]]
"""Tells how a try stands, by its identity and the uid of its TrainJob."""


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One object that nobody waits for."""

    kind: str
    """``TrainJob`` or ``PersistentVolumeClaim``."""
    name: str
    uid: str
    why: str
    action: OnKillAction = OnKillAction.DELETE_TRAINJOB
    """What its task wanted to become of it."""
    proven: bool = True
    """Whether it is ours for certain; what may be somebody else's is told of, and never touched."""


async def tidy(
    api: TrainJobApi, ask: Ask, *, age_seconds: float, unknown_too: bool, claims: bool, touch: bool
) -> list[tuple[Leftover, str]]:
    """Find what is left over, and end or delete it; of each say what was done, which is nothing where not to touch it.

    :param age_seconds: younger ones are left alone.
    :param unknown_too: see :func:`find_trainjobs`.
    :param claims: look for claims too.
    """
    if claims and touch:
        # Before a TrainJob is ended, with which the proof would go.
        await mark_claims(api)
    found = await find_trainjobs(api, ask, age_seconds=age_seconds, unknown_too=unknown_too)
    if claims:
        found += await find_claims(api, age_seconds=age_seconds)
    return [(leftover, await remove(api, leftover) if touch else "") for leftover in found]


async def find_trainjobs(
    api: TrainJobApi,
    ask: Ask,
    *,
    age_seconds: float = DEFAULT_AGE_SECONDS,
    unknown_too: bool = False,
    now: Callable[[], float] = time.time,
) -> list[Leftover]:
    """Find the TrainJobs of ours that have not ended although their task's try is over.

    Those that have ended stay, as ``on_finish_action`` said; so do those that ``on_kill_action`` keeps.

    :param unknown_too: also those of tasks that nobody knows. Two Airflows may share a namespace: be sure they do not.
    """
    found = []
    for trainjob in await api.find(label_selector=f"{MANAGED_BY_LABEL}={MANAGED_BY}"):
        identity, action = TaskIdentity.of(trainjob), _action(trainjob)
        if identity is None or _age(trainjob, now) < age_seconds or not _is_for(action, trainjob):
            continue
        uid = trainjob["metadata"]["uid"]
        standing = await ask(identity, uid)
        if standing is Standing.OVER or (unknown_too and standing is Standing.UNKNOWN):
            why = f"task {identity} is {standing}"
            found.append(Leftover(kind="TrainJob", name=trainjob["metadata"]["name"], uid=uid, why=why, action=action))
    return found


async def mark_claims(api: TrainJobApi) -> None:
    """Write on the claims that a runtime retains for TrainJobs of ours that they are ours, while those are there.

    What JobSet writes on a claim is the TrainJob's name alone, which may have been anybody's.
    """
    ours = {name: uid async for name, uid in _our_trainjobs(api)}
    async for claim in _retained_claims(api):
        metadata = claim["metadata"]
        trainjob_uid = ours.get(metadata["labels"][JOBSET_NAME_LABEL])
        if trainjob_uid is not None and not _is_marked(claim):
            with contextlib.suppress(NotFoundError, ConflictError):
                await api.annotate_claim(metadata["name"], {CLAIM_ANNOTATION: trainjob_uid}, uid=metadata["uid"])


async def find_claims(
    api: TrainJobApi, *, age_seconds: float = DEFAULT_AGE_SECONDS, now: Callable[[], float] = time.time
) -> list[Leftover]:
    """Find the claims that a runtime retained, and whose TrainJob is gone: those marked as ours, and those that may be.

    What was initialized or trained there is lost with them.
    """
    found = []
    async for claim in _retained_claims(api):
        metadata, marked = claim["metadata"], _is_marked(claim)
        trainjob = metadata["labels"][JOBSET_NAME_LABEL]
        old = _age(claim, now) >= age_seconds
        if old and (marked or _LIKE_OURS.fullmatch(trainjob)) and await _is_gone(api, trainjob):
            why = f"TrainJob {trainjob} is gone" + ("" if marked else ", and nothing shows that it was a task's")
            name, uid = metadata["name"], metadata["uid"]
            found.append(Leftover(kind=PERSISTENT_VOLUME_CLAIMS.kind, name=name, uid=uid, why=why, proven=marked))
    return found


async def remove(api: TrainJobApi, leftover: Leftover) -> str:
    """End or delete one, by its uid, and say what was done."""
    if not leftover.proven:
        return "was left alone"
    try:
        if leftover.kind == TRAINJOBS.kind:
            return await stop(api, leftover.action, name=leftover.name, uid=leftover.uid)
        await api.delete_claim(leftover.name, uid=leftover.uid)
    except (NotFoundError, ConflictError):
        return "is gone already"
    except ConfigError as error:
        return f"{CANNOT} as its task wished: {error}"
    return "was deleted"


def _action(trainjob: Mapping[str, Any]) -> OnKillAction:
    stated = (trainjob["metadata"].get("annotations") or {}).get(ON_KILL_ANNOTATION)
    return OnKillAction(stated) if stated in list(OnKillAction) else OnKillAction.DELETE_TRAINJOB


def _is_for(action: OnKillAction, trainjob: Mapping[str, Any]) -> bool:
    """Whether there is anything left to do with a TrainJob whose task is over."""
    if action is OnKillAction.KEEP_TRAINJOB or phase_of(trainjob, trainer_job="").phase.final:
        return False
    return not (action is OnKillAction.SUSPEND_TRAINJOB and trainjob["spec"].get("suspend"))


async def _our_trainjobs(api: TrainJobApi) -> AsyncIterator[tuple[str, str]]:
    for trainjob in await api.find(label_selector=f"{MANAGED_BY_LABEL}={MANAGED_BY}"):
        identity, name = TaskIdentity.of(trainjob), trainjob["metadata"]["name"]
        # A copy that somebody has made of one has its labels too.
        if identity is not None and identity.names(name):
            yield name, trainjob["metadata"]["uid"]


def _is_marked(claim: Mapping[str, Any]) -> bool:
    return CLAIM_ANNOTATION in (claim["metadata"].get("annotations") or {})


async def _retained_claims(api: TrainJobApi) -> AsyncIterator[dict[str, Any]]:
    for claim in await api.claims(label_selector=JOBSET_NAME_LABEL):
        # One that is not retained belongs to its JobSet, and goes with it.
        if not claim["metadata"].get("ownerReferences"):
            yield claim


async def _is_gone(api: TrainJobApi, name: str) -> bool:
    for read in (api.get, api.get_jobset):
        try:
            await read(name)
        except NotFoundError:
            continue
        return False
    return True


def _age(item: Mapping[str, Any], now: Callable[[], float]) -> float:
    return now() - (seconds(item["metadata"]["creationTimestamp"]) or 0.0)
