"""Whether the try that a trigger waits for is really over.

A trigger is cancelled for many reasons, and the words of Airflow's documentation do not tell them apart: after a clear,
``on_kill`` runs while the *next* try may have begun, and a triggerer that lost its heartbeat cancels triggers that
another one has taken over. Found by running Airflow 3.3: the task's state alone cannot decide, since it has no try in
it; the uid in the XCom ``trainjob`` can, since each try pushes its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from airflow_kubeflow_trainer.hooks.asking import ask

XCOM_KEY = "trainjob"
"""XCom under which each try says, before it waits, which TrainJob is its own: name, namespace and uid."""

_ENDED_STATES = {None, "success", "failed", "skipped", "upstream_failed", "removed", "up_for_retry"}


@dataclass(frozen=True, kw_only=True)
class TaskKey:
    """A task instance without its try."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


async def is_over(task: TaskKey, uid: str) -> bool:
    """Whether no try waits for the TrainJob with this uid any more."""
    from asgiref.sync import sync_to_async

    if await ask(sync_to_async(_state)(task)) in _ENDED_STATES:
        return True
    # Missing: a new try has begun and has not submitted yet. Another: it has.
    return await announced_uid(task) != uid


async def announced_uid(task: TaskKey) -> str | None:
    """Read which TrainJob the present try waits for; None where it has not said so yet."""
    from asgiref.sync import sync_to_async

    return await ask(sync_to_async(_announced_uid)(task))


def _state(task: TaskKey) -> str | None:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(
        dag_id=task.dag_id,
        task_ids=[task.task_id],
        run_ids=[task.run_id],
        map_index=task.map_index,
    )
    of_run = states.get(task.run_id, {})
    # Airflow's key for a mapped task is its id and map index.
    key = task.task_id if task.map_index < 0 else f"{task.task_id}_{task.map_index}"
    state = of_run.get(key, of_run.get(task.task_id))
    return None if state is None else str(getattr(state, "value", state))


def _announced_uid(task: TaskKey) -> str | None:
    from airflow.sdk.execution_time.xcom import XCom

    announced = XCom.get_one(
        key=XCOM_KEY, dag_id=task.dag_id, task_id=task.task_id, run_id=task.run_id, map_index=task.map_index
    )
    return announced.get("uid") if isinstance(announced, dict) else None
