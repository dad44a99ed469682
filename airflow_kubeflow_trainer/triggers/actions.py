"""What becomes of a TrainJob when its task is over."""

from __future__ import annotations

from enum import StrEnum

from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi


class OnKillAction(StrEnum):
    """What becomes of a TrainJob whose task somebody ends: kill, mark as failed or success, clear, a timeout."""

    DELETE_TRAINJOB = "delete_trainjob"
    SUSPEND_TRAINJOB = "suspend_trainjob"
    """Its pods are stopped, the object stays and can be resumed by hand."""
    KEEP_TRAINJOB = "keep_trainjob"
    """It trains on, and nobody waits for it."""


class OnFinishAction(StrEnum):
    """What becomes of a TrainJob that has ended by itself."""

    KEEP_TRAINJOB = "keep_trainjob"
    DELETE_TRAINJOB = "delete_trainjob"
    DELETE_SUCCEEDED_TRAINJOB = "delete_succeeded_trainjob"
    """A failed one is kept, to be looked at."""


async def stop(api: TrainJobApi, action: OnKillAction, *, name: str, uid: str) -> str:
    """Carry out an OnKillAction on one very object, and say in a word what was done.

    :raises NotFoundError: it is gone already.
    :raises ConflictError: another object has its name now.
    """
    match action:
        case OnKillAction.DELETE_TRAINJOB:
            await api.delete(name, uid=uid)
            return "was deleted"
        case OnKillAction.SUSPEND_TRAINJOB:
            await api.set_suspend(name, True, uid=uid)
            return "was suspended"
        case OnKillAction.KEEP_TRAINJOB:
            return "was kept"
