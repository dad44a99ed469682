"""Ending TrainJobs: always one very object, by its uid."""

from __future__ import annotations

import contextlib

from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.config.actions import OnKillAction
from airflow_kubeflow_trainer.exceptions import ConflictError, NotFoundError
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.trainjob.phase import phase_of


async def stop(api: TrainJobApi, action: OnKillAction, *, name: str, uid: str) -> str:
    """Carry out an OnKillAction, and say in a word what was done; a TrainJob that has ended is never touched.

    :raises NotFoundError: it is gone already.
    :raises ConflictError: another object has its name now.
    """
    if action is not OnKillAction.KEEP_TRAINJOB and phase_of(await api.get(name), trainer_job="").phase.final:
        return "has ended already, and is kept"
    match action:
        case OnKillAction.DELETE_TRAINJOB:
            return await delete(api, name=name, uid=uid)
        case OnKillAction.SUSPEND_TRAINJOB:
            await api.set_suspend(name, True, uid=uid)
            return "was suspended"
        case OnKillAction.KEEP_TRAINJOB:
            return "was kept"


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
    for trainjob in await api.find(label_selector=identity.selector(any_try=True)):
        alive = not phase_of(trainjob, trainer_job="").phase.final
        if alive and identity.follows(trainjob):
            name, uid = trainjob["metadata"]["name"], trainjob["metadata"]["uid"]
            with contextlib.suppress(NotFoundError, ConflictError):
                await api.delete(name, uid=uid)
                deleted.append(name)
    return deleted
