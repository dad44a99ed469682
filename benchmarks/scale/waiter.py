"""A process that waits: N triggers in one event loop, as in Airflow's triggerer. It is told what by a line of JSON.

Says on its standard output, a JSON object a line: when it began with all of them, each event that a trigger fires, each
trigger that fails, and every second how many connections it has opened so far, and by how much its event loop came too
late at most. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

POLL_SECONDS = 10.0
"""The peer's own default."""
CONNECTION = "bench"
TICK_SECONDS = 0.1


class Airflow:
    """Stands where Airflow's supervisor answers triggers: whatever is waited for has run for a while."""

    def __init__(self, uids: Mapping[str, str]) -> None:
        self._uids = uids

    def send(self, message: Any) -> Any:
        """Answer as the supervisor does."""
        from airflow.sdk.execution_time.comms import XComResult

        return XComResult(key=message.key, value=self._record(message.run_id))

    def _record(self, name: str) -> Any:
        """What another triggerer has written of a training."""
        from airflow.sdk.execution_time.xcom import XCom

        from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
        from airflow_kubeflow_trainer.trainjob.progress import Recorder

        recorder = Recorder(name=name, namespace="ours", uid=self._uids[name])
        recorder.see_phase(PhaseReport(Phase.RUNNING), time.time() - 60)
        return XCom.serialize_value(recorder.to_record(time.time()))


def ours(name: str, uid: str) -> Any:
    from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
    from airflow_kubeflow_trainer.triggers.trainjob import TrainJobTrigger

    return TrainJobTrigger(
        cluster={"kubernetes_conn_id": CONNECTION, "namespace": "ours"},
        wait=WaitSpec(name=name, uid=uid, get_logs=False).to_dict(),
        task={"dag_id": "bench", "run_id": name, "task_id": "train", "map_index": -1},
    )


def theirs(name: str, uid: str) -> Any:
    from airflow.providers.cncf.kubernetes.triggers.job import KubernetesJobTrigger

    return KubernetesJobTrigger(
        job_name=name,
        job_namespace="theirs",
        pod_names=[],
        pod_namespace="theirs",
        base_container_name="base",
        kubernetes_conn_id=CONNECTION,
        poll_interval=POLL_SECONDS,
        get_logs=False,
    )


SIDES: dict[str, Callable[[str, str], Any]] = {"ours": ours, "theirs": theirs}


async def wait(order: dict[str, Any]) -> None:
    """Run a trigger for each object, until the standard input ends."""
    from airflow.sdk.execution_time import task_runner

    task_runner.SUPERVISOR_COMMS = Airflow(dict(order["objects"]))  # type: ignore[assignment, unused-ignore]
    make = SIDES[order["side"]]
    with Path(order["log"]).open("w") as log:  # noqa: ASYNC230 (written to as a triggerer does)
        configure_logging(log)
        # The first has ended, and goes before all others: what it imports is no memory of theirs.
        [first, *others] = order["objects"]
        await run(make, *first)
        await asyncio.sleep(1)
        say(began=time.time())
        tasks = [asyncio.create_task(tick())]
        for each in others:
            tasks.append(asyncio.create_task(run(make, *each)))
            # A triggerer, too, goes around its loop twice for each that it starts.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run(make: Callable[[str, str], Any], name: str, uid: str) -> None:
    try:
        async for _ in make(name, uid).run():
            say(event=name, at=time.time())
    except Exception as error:  # noqa: BLE001 (as in a triggerer, where the task fails)
        say(failed=name, error=f"{type(error).__name__}: {error}")


async def tick() -> None:
    """Tell every second how things stand."""
    worst, told = 0.0, 0.0
    while True:
        before = time.monotonic()
        await asyncio.sleep(TICK_SECONDS)
        now = time.monotonic()
        worst = max(worst, now - before - TICK_SECONDS)
        if now - told > 1:
            told = now
            say(held_up=worst, opened=CountingLoop.opened)


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the connections that are made."""

    opened = 0

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        CountingLoop.opened += 1
        return await super().create_connection(*arguments, **options)


def configure_logging(log: Any) -> None:
    structlog.configure(
        processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=log),
    )


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(wait(json.loads(sys.stdin.readline())))
