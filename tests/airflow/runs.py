"""One run of one of the DAGs with a single task, as a user sees it: by Airflow's REST API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psutil

from demo.airflow_api import wait_until
from demo.airflow_stack import AirflowStack

TIMEOUT = 120.0
FOR_EVER = "echo it runs; exec sleep 100000"


class Nap:
    """What a training script may wait for until a test wants it to go on; pods do not see the test's files."""

    def __init__(self) -> None:
        self._seconds = f"100000.{uuid4().int}"

    def __str__(self) -> str:
        """The command of the script."""
        return f"sleep {self._seconds}"

    def end(self) -> None:
        """Let the script go on."""
        for process in psutil.process_iter(["cmdline"]):
            if process.info["cmdline"] == ["sleep", self._seconds]:
                process.kill()


class Run:
    """One run of one of the DAGs with a single task."""

    def __init__(self, airflow: AirflowStack, cluster: Any, dag_id: str, script: str = FOR_EVER) -> None:
        self._airflow = airflow
        self._cluster = cluster
        self.dag_id = dag_id
        self.run_id = airflow.api.trigger(dag_id, conf={"script": script})

    def trainjobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._cluster.trainjobs(self.dag_id, self.run_id)
        return found

    def log(self, *, try_number: int = 1) -> str:
        lines = self._airflow.api.log(self.dag_id, self.run_id, "run", try_number=try_number)
        return "\n".join(line.text for line in lines)

    def task(self) -> dict[str, Any]:
        return self._airflow.api.task(self.dag_id, self.run_id, "run")

    def pid(self) -> int:
        """The process that runs the task on the worker."""
        return int(wait_until(lambda: self.task()["pid"], bool, what="the task's process", timeout=TIMEOUT))

    def until(self, *states: str) -> dict[str, Any]:
        """Wait until the task is in one of these states, or has ended."""
        return self._airflow.api.wait_for_task(self.dag_id, self.run_id, "run", *states, timeout=TIMEOUT)

    def until_over(self) -> str:
        """Wait until the whole DAG run has ended; gives its state.

        What is cleared in the moment between its task's end and its own, Airflow may leave for ever without a state:
        it does not wake a run that has not ended, and the scheduler, which has read how the task was, ends the run.
        """
        return self._airflow.api.wait_for_run(self.dag_id, self.run_id, timeout=TIMEOUT)

    def mark(self, state: str) -> None:
        self._airflow.api.set_task_state(self.dag_id, self.run_id, "run", state)

    def clear(self) -> None:
        self._airflow.api.clear(self.dag_id, self.run_id, "run")

    def until_training(self, *, try_number: int = 1) -> None:
        """Wait until this try's trigger is at work: one that never ran has nothing to clean up with.

        After a clear, the trigger of the try before may begin so late that Airflow takes its log for the next one's.
        """
        wait_until(
            lambda: self._told(try_number),
            lambda seen: "it runs" in seen and self._began(seen),
            what="a line of the training",
            timeout=TIMEOUT,
        )

    def _told(self, try_number: int) -> list[str]:
        return self.log(try_number=try_number).splitlines() if self.task()["try_number"] == try_number else []

    def _began(self, lines: list[str]) -> bool:
        announced = self._airflow.api.xcom(self.dag_id, self.run_id, "run", "trainjob") or {}
        return any(line.endswith(f"/{announced.get('name')}: Running") for line in lines)

    def until_trainjobs(self, count: int) -> list[dict[str, Any]]:
        return wait_until(self.trainjobs, lambda jobs: len(jobs) == count, what=f"{count} TrainJobs", timeout=TIMEOUT)
