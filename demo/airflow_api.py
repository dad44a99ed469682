"""Airflow as its users reach it: the public REST API, logged in with a name and a password."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
LOCKED_TRIES = 5
"""How often a request is made that finds Airflow's SQLite locked by another of its processes."""

TASK_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
RUN_ENDED = frozenset({"success", "failed"})


class DeadlineError(TimeoutError):
    """What was waited for did not come; the message says what was there in its place."""


@dataclass(frozen=True)
class LogLine:
    """One line of a task's log. `timestamp` is empty where Airflow gives none, as for the names of the sources."""

    timestamp: str
    text: str


class AirflowApi:
    """A client for one Airflow; `wait_*` raise DeadlineError after `timeout` seconds."""

    def __init__(self, *, url: str, username: str, password: str) -> None:
        self._login = {"username": username, "password": password}
        self._http = httpx.Client(base_url=url, timeout=60.0, trust_env=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def health(self) -> dict[str, str | None]:
        """The state of each component, "healthy" or otherwise; empty where the API server does not answer yet."""
        try:
            answer = self._http.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return {}
        return {name: part["status"] for name, part in answer.json().items()} if answer.is_success else {}

    def dag_ids(self) -> set[str]:
        """The DAGs that have been parsed."""
        return {dag["dag_id"] for dag in self._call("GET", "/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> dict[str, str]:
        """File name to stack trace, for the DAG files that could not be parsed."""
        errors = self._call("GET", "/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None) -> str:
        """Start a DAG run; returns its run id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        run_id: str = self._call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]
        return run_id

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs go."""
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a DAG run."""
        state: str = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
        return state

    def run_ids(self, dag_id: str) -> list[str]:
        """The runs of a DAG."""
        return [run["dag_run_id"] for run in self._call("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]]

    def asset_events(self) -> list[dict[str, Any]] | None:
        """The latest hundred events of assets, each with `extra` and the runs that it started.

        None while Airflow (3.3.2) cannot say: it answers 500 as long as a run that was started by one has not begun.
        """
        try:
            events: list[dict[str, Any]] = self._call(
                "GET", "/assets/events", params={"order_by": "-timestamp", "limit": 100}
            )["asset_events"]
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
                return None
            raise
        return events

    def task(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> dict[str, Any]:
        """A task instance as the REST API shows it (`state`, `try_number`, `start_date`, ...)."""
        task: dict[str, Any] = self._call("GET", self._task_path(dag_id, run_id, task_id, map_index))
        return task

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str, *, map_index: int = -1) -> None:
        """Mark a task instance as `success`, `failed` or `skipped`, as a user does in the UI."""
        self._call("PATCH", self._task_path(dag_id, run_id, task_id, map_index), json={"new_state": state})

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear a task instance, so that it runs again."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "only_failed": False}
        self._call("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1) -> list[LogLine]:
        """The log of one try so far."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        content = self._call("GET", path, params={"map_index": map_index, "full_content": True})["content"]
        return [_log_line(record) for record in content]

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str, *, map_index: int = -1) -> Any:
        """The value of an XCom entry, None where there is none."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            return self._call("GET", path, params={"map_index": map_index, "deserialize": True})["value"]
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise

    def links(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> dict[str, str | None]:
        """The links under a task instance, by name; None where one leads nowhere."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/links"
        found: dict[str, str | None] = self._call("GET", path, params={"map_index": map_index})["extra_links"]
        return found

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout: float) -> str:
        """Wait until a DAG run has ended; returns its state."""
        return wait_until(
            lambda: self.run_state(dag_id, run_id),
            lambda state: state in RUN_ENDED,
            what=f"the end of run {run_id} of {dag_id}",
            timeout=timeout,
        )

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, *states: str, timeout: float, map_index: int = -1
    ) -> dict[str, Any]:
        """Wait until a task instance is in one of `states` (any in which it has ended, if none is given)."""
        wanted = frozenset(states) or TASK_ENDED
        return wait_until(
            lambda: self.task(dag_id, run_id, task_id, map_index=map_index),
            lambda task: task["state"] in wanted,
            what=f"task {task_id} of {dag_id} in state {' or '.join(sorted(wanted))}",
            timeout=timeout,
            show=lambda task: str(task["state"]),
        )

    @staticmethod
    def _task_path(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        return path if map_index < 0 else f"{path}/{map_index}"

    def _call(self, method: str, path: str, **options: Any) -> Any:
        if "Authorization" not in self._http.headers:
            self._log_in()
        for _ in range(LOCKED_TRIES):
            answer = self._http.request(method, f"/api/v2{path}", **options)
            if not (answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and "Database error" in answer.text):
                break
            time.sleep(1)
        if answer.is_error:
            raise httpx.HTTPStatusError(
                f"{method} {path}: {answer.status_code} {answer.text[:2000]}", request=answer.request, response=answer
            )
        return answer.json()

    def _log_in(self) -> None:
        answer = self._http.post("/auth/token", json=self._login)
        answer.raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def wait_until(
    read: Callable[[], T],
    accept: Callable[[T], bool],
    *,
    what: str,
    timeout: float,
    interval: float = 0.5,
    show: Callable[[T], str] = str,
) -> T:
    """Read again and again until `accept` says yes; raises DeadlineError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = read()
        if accept(value):
            return value
        if time.monotonic() > deadline:
            raise DeadlineError(f"{what} did not come within {timeout:g} s; the last seen was {show(value)}")
        time.sleep(interval)


def _log_line(record: str | Mapping[str, Any]) -> LogLine:
    if isinstance(record, str):
        return LogLine("", record)
    details = record.get("error_detail") or []
    text = "\n".join([str(record.get("event", "")), *(f"{part['exc_type']}: {part['exc_value']}" for part in details)])
    return LogLine(str(record.get("timestamp") or ""), text)
