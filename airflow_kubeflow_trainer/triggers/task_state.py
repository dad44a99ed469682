"""Whether the try that a trigger waits for is really over.

A trigger is cancelled for many reasons, and the words of Airflow's documentation do not tell them apart: after a clear,
``on_kill`` runs while the *next* try may have begun, and a triggerer that lost its heartbeat cancels triggers that
another one has taken over. Found by running Airflow 3.3: the task's state alone cannot decide, since it has no try in
it; the uid in the XCom ``trainjob`` can, since each try pushes its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from airflow_kubeflow_trainer.cluster.leftovers import Standing
from airflow_kubeflow_trainer.hooks.asking import Together, ask

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
    return await standing(task, uid) is not Standing.GOING_ON


async def standing(task: TaskKey, uid: str) -> Standing:
    """Tell how the try stands that has created the TrainJob with this uid."""
    states = await _states.ask((task.dag_id, task.run_id, task.task_id))
    key = task.task_id if task.map_index < 0 else f"{task.task_id}_{task.map_index}"
    if key not in states:
        return Standing.UNKNOWN
    state = states[key]
    return judge(state, announced=None if state in _ENDED_STATES else await announced_uid(task), uid=uid)


def judge(state: str | None, *, announced: str | None, uid: str) -> Standing:
    """Tell how the try stands that has created the TrainJob with this uid.

    :param state: the task instance's, whichever its try is now.
    :param announced: uid of the TrainJob that the present try waits for.
    """
    if state in _ENDED_STATES:
        return Standing.OVER
    # Missing: a new try has begun and has not submitted yet. Another: it has.
    return Standing.GOING_ON if announced == uid else Standing.OVER


async def announced_uid(task: TaskKey) -> str | None:
    """Read which TrainJob the present try waits for; None where it has not said so yet."""
    from asgiref.sync import sync_to_async

    return await ask(sync_to_async(_announced_uid)(task))


def _ask_for_states(dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = RuntimeTaskInstance.get_task_states(dag_id=dag_id, task_ids=[task_id], run_ids=[run_id])
    found = states.get(run_id, {})
    return {key: None if state is None else str(getattr(state, "value", state)) for key, state in found.items()}


async def _states_of(task: tuple[str, str, str]) -> dict[str, str | None]:
    """Read the states of a task in a run, mapped or not, by Airflow's keys: its id, and of a mapped one its index."""
    from asgiref.sync import sync_to_async

    return await sync_to_async(_ask_for_states)(*task)


_states = Together(_states_of)


def _announced_uid(task: TaskKey) -> str | None:
    from airflow.sdk.execution_time.xcom import XCom

    announced = XCom.get_one(
        key=XCOM_KEY, dag_id=task.dag_id, task_id=task.task_id, run_id=task.run_id, map_index=task.map_index
    )
    return announced.get("uid") if isinstance(announced, dict) else None
