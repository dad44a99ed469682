"""Airflow with trainings to show, and somebody who looks at them; fixtures in conftest.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from playwright.sync_api import BrowserContext, FrameLocator, Page

from airflow_kubeflow_trainer.trainjob.progress import XCOM_KEY
from demo.airflow_stack import AirflowStack

DESKTOP, PHONE = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
FAULTS = ("error", "warning")


@dataclass
class Scenes:
    """Airflow with its runs; `frame_url` and `page_url` are where a training is shown."""

    stack: AirflowStack
    runs: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, user: str = "admin") -> str:
        if user not in self.tokens:
            password = json.loads((self.stack.home / "passwords.json").read_text())[user]
            answer = httpx.post(
                f"{self.stack.url}/auth/token", json={"username": user, "password": password}, trust_env=False
            )
            self.tokens[user] = answer.raise_for_status().json()["access_token"]
        return self.tokens[user]

    def get(self, path: str, *, user: str | None = "admin", **params: Any) -> httpx.Response:
        """Ask the application behind the tab."""
        headers = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        url = f"{self.stack.url}/kubeflow-trainer/{path}"
        return httpx.get(url, params=params, headers=headers, trust_env=False, timeout=30)

    def page_url(self, task_id: str, *, dag_id: str = "scenes", map_index: int | None = None) -> str:
        """The tab as Airflow shows it."""
        where = f"dags/{dag_id}/runs/{quote(self.runs[dag_id], safe='')}/tasks/{task_id}"
        mapped = "" if map_index is None else f"/mapped/{map_index}"
        return f"{self.stack.url}/{where}{mapped}/plugin/trainjob"

    def frame_url(self, task_id: str, *, dag_id: str = "scenes", map_index: str | int = "{MAP_INDEX}") -> str:
        """The tab alone, as Airflow's page loads it into its frame."""
        ids = f"dag_id={dag_id}&run_id={quote(self.runs[dag_id], safe='')}&task_id={task_id}&map_index={map_index}"
        return f"{self.stack.url}/kubeflow-trainer/tab?view=task_instance&{ids}"

    def record(self, task_id: str, *, dag_id: str = "scenes") -> Any:
        found = self.stack.api.xcom(dag_id, self.runs[dag_id], task_id, XCOM_KEY)
        # Airflow 3.1 writes a value that comes by REST as text of its text.
        return json.loads(found) if isinstance(found, str) else found

    def leave_record(self, task_id: str, record: Any, *, dag_id: str = "scenes") -> None:
        """Write a task's record anew, as its trigger does."""
        path = f"dags/{dag_id}/dagRuns/{self.runs[dag_id]}/taskInstances/{task_id}/xcomEntries/{XCOM_KEY}"
        httpx.patch(
            f"{self.stack.url}/api/v2/{path}",
            json={"value": record},
            headers={"Authorization": f"Bearer {self.token()}"},
            trust_env=False,
            timeout=30,
        ).raise_for_status()


@dataclass
class Looker:
    """A person at a browser; what the pages complain of is kept."""

    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def open(self, url: str) -> Page:
        page = self.context.new_page()
        page.on("console", lambda message: self._hear(message.type in FAULTS, message.text, message.location["url"]))
        page.on("pageerror", lambda error: self._hear(True, str(error), error.stack or page.url))
        page.on("request", lambda request: self.asked.add(request.url))
        page.goto(url)
        return page

    def _hear(self, is_fault: bool, text: str, where: str) -> None:
        # Airflow's own pages give rise to this and that, their frame around the tab to one warning.
        if is_fault and "/kubeflow-trainer/" in where and "sandbox attribute" not in text:
            self.faults.append(text)


Look = Callable[..., Looker]
Picture = Callable[[Page, str], None]


def tab_of(page: Page) -> FrameLocator:
    """The tab within Airflow's page."""
    return page.frame_locator("iframe")
