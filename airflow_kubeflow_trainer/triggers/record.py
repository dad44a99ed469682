"""The record of a training, kept in an XCom of its task, where it outlives the TrainJob; the Training tab reads it."""

from __future__ import annotations

import time
from typing import Any

from asgiref.sync import sync_to_async

from airflow_kubeflow_trainer.cluster.recording import Recording
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.hooks.asking import ask
from airflow_kubeflow_trainer.trainjob.progress import XCOM_KEY, Recorder
from airflow_kubeflow_trainer.triggers.task_state import TaskKey


async def record_of(task: TaskKey, spec: WaitSpec, namespace: str) -> Recording:
    """Begin the record of a try, or go on with what another process has written of it."""
    recorder = Recorder(name=spec.name, namespace=namespace, uid=spec.uid, earlier=await _earlier(task))

    async def publish(record: dict[str, Any]) -> None:
        await ask(sync_to_async(_write)(task, record))

    return Recording(recorder, publish, now=time.time)


async def _earlier(task: TaskKey) -> dict[str, Any] | None:
    try:
        found = await ask(sync_to_async(_read)(task))
    except Exception:  # noqa: BLE001 (without it the record begins anew)
        return None
    return found if isinstance(found, dict) else None


def _read(task: TaskKey) -> Any:
    from airflow.sdk.execution_time.xcom import XCom

    return XCom.get_one(key=XCOM_KEY, **task.to_dict())


def _write(task: TaskKey, record: dict[str, Any]) -> None:
    from airflow.sdk.execution_time.xcom import XCom

    XCom.set(XCOM_KEY, record, **task.to_dict())
