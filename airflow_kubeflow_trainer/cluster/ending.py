"""Ending TrainJobs: always one very object, by its uid."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_kubeflow_trainer.cluster.patience import patiently
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.config.actions import OnKillAction
from airflow_kubeflow_trainer.exceptions import ConfigError, ConflictError, ForbiddenError, NotFoundError
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.trainjob.phase import phase_of
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView

UNANSWERED_SECONDS, LOOK_SECONDS = 2.0, 0.2
"""How long one is looked for, and how often: Airflow leaves a worker that it tells to end five seconds."""


async def stop(api: TrainJobApi, action: OnKillAction, *, name: str, uid: str) -> str:
    """Carry out an OnKillAction, and say in a word what was done; a TrainJob that has ended is never touched.

    :raises NotFoundError: it is gone already.
    :raises ConflictError: another object has its name now.
    :raises ConfigError: it cannot be suspended.
    """
    if action is not OnKillAction.KEEP_TRAINJOB and phase_of(await api.get(name), trainer_job="").phase.final:
        return "has ended already, and is kept"
    match action:
        case OnKillAction.DELETE_TRAINJOB:
            return await delete(api, name=name, uid=uid)
        case OnKillAction.SUSPEND_TRAINJOB:
            await suspend(api, name, True, uid=uid)
            return "was suspended"
        case OnKillAction.KEEP_TRAINJOB:
            return "was kept"


async def stop_unanswered(api: TrainJobApi, action: OnKillAction, *, name: str, identity: TaskIdentity) -> str:
    """Carry out an OnKillAction on the TrainJob of a try that has asked for it, and has had no answer.

    A request that was broken off may still be carried out, so it is looked for ``UNANSWERED_SECONDS``.

    :raises NotFoundError: it is not there.
    :raises ConfigError: it cannot be suspended.
    """
    until = time.monotonic() + UNANSWERED_SECONDS
    while True:
        try:
            trainjob = await api.get(name)
            break
        except NotFoundError:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(LOOK_SECONDS)
    if not identity.owns(trainjob):
        return "is not this try's, and is left alone"
    return await stop(api, action, name=name, uid=trainjob["metadata"]["uid"])


async def suspend(api: TrainJobApi, name: str, wanted: bool, *, uid: str | None = None) -> dict[str, Any]:
    """Suspend a TrainJob, or resume it, where that works.

    :raises ConfigError: on its runtime it does not; the message has the remedy.
    """
    await check_that_it_can_be_suspended(api, await api.get(name), field="suspend")
    return await api.set_suspend(name, wanted, uid=uid)


async def check_that_it_can_be_suspended(api: TrainJobApi, trainjob: Mapping[str, Any], *, field: str) -> None:
    """Refuse what would go on running, or would never run.

    :param field: what asks for it.
    :raises ConfigError: naming the field, the runtime and the remedy.
    """
    problem = await _why_not_suspended(api, trainjob["spec"]["runtimeRef"])
    if problem is not None:
        raise ConfigError(f"{field}: {problem}")


async def _why_not_suspended(api: TrainJobApi, reference: Mapping[str, Any]) -> str | None:
    try:
        runtime = await api.get_runtime(reference["name"], kind=reference.get("kind", CLUSTER_TRAINING_RUNTIMES.kind))
    except (ForbiddenError, NotFoundError):
        # Whoever may not see it may try.
        return None
    return RuntimeView.from_object(runtime).why_not_suspended()


async def delete(api: TrainJobApi, *, name: str, uid: str) -> str:
    """Delete a TrainJob, ended or not, and say so.

    :raises NotFoundError: it is gone already.
    :raises ConflictError: another object has its name now.
    """
    await api.delete(name, uid=uid)
    return "was deleted"


async def end_earlier_tries(api: TrainJobApi, identity: TaskIdentity) -> list[str]:
    """Delete the TrainJobs of this task's earlier tries that are still alive, and return their names.

    Whatever ended those tries (a worker's or triggerer's death, a clear that nobody was there to see) could not do it.
    """
    deleted = []
    for trainjob in await alive_tries(api, identity):
        if identity.follows(trainjob):
            name, uid = trainjob["metadata"]["name"], trainjob["metadata"]["uid"]
            with contextlib.suppress(NotFoundError, ConflictError):
                await patiently(partial(delete, api, name=name, uid=uid))
                deleted.append(name)
    return deleted


async def alive_tries(api: TrainJobApi, identity: TaskIdentity) -> list[dict[str, Any]]:
    """Find the TrainJobs of this try and of earlier ones that have not ended."""
    return [
        trainjob
        for trainjob in await patiently(lambda: api.find(label_selector=identity.selector(any_try=True)))
        if (identity.owns(trainjob) or identity.follows(trainjob))
        and not phase_of(trainjob, trainer_job="").phase.final
    ]
