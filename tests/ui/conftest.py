"""A real Airflow with trainings to show, and a real Chromium to look at them.

AIRFLOW_PYTHON names the Python of another environment, in which another Airflow is installed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.airflow_stack import AirflowStack
from tests.ui.looking import DESKTOP, PHONE, Look, Looker, Picture, Scenes

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".build" / "screenshots"
# Airflow's own pages, in which the tab is a frame, take long to come up where a machine has much else to do.
expect.set_options(timeout=20_000)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    env = {
        "PYTHONPATH": str(ROOT),
        "AIRFLOW__CORE__AUTH_MANAGER": "tests.ui.auth.DiscreetAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,guest:viewer",
        "AIRFLOW__KUBEFLOW_TRAINER__GRAFANA_URL": "https://grafana.example/d/pods?var-pod={name}-node.*",
        "AIRFLOW__KUBEFLOW_TRAINER__KUEUE_URL": "https://kueue.example/queues/{namespace}/{queue_name}",
        "AIRFLOW__KUBEFLOW_TRAINER__MLFLOW_URL": "https://mlflow.example/{nmae}",
    }
    home = tmp_path_factory.mktemp("airflow")
    python = os.environ.get("AIRFLOW_PYTHON", sys.executable)
    with AirflowStack(home=home, dags=Path(__file__).parent / "dags", env=env, python=python) as stack:
        shown = Scenes(stack)
        for dag_id in ("scenes", "sweep", "secret"):
            stack.wait_for_dag(dag_id)
            shown.runs[dag_id] = stack.api.trigger(dag_id)
        for dag_id, task_id, map_index, state in _expected():
            stack.api.wait_for_task(dag_id, shown.runs[dag_id], task_id, state, map_index=map_index, timeout=180)
        yield shown


def _expected() -> Iterator[tuple[str, str, int, str]]:
    yield "secret", "hidden", -1, "deferred"
    for task_id, state in {
        "finished": "success",
        "failed": "failed",
        "foreign": "success",
        "running": "deferred",
        "queued": "deferred",
        "changing": "deferred",
    }.items():
        yield "scenes", task_id, -1, state
    for index in range(6):
        yield "sweep", "train", index, "success" if index % 3 == 0 else "deferred"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.fail(f"No Chromium: install one ({', '.join(CHROMIUMS)}), or name its program in CHROMIUM")
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not start for root, as whom CI runs.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        yield playwright.chromium.launch(executable_path=found, args=arguments)


@pytest.fixture
def look(browser: Browser, scenes: Scenes) -> Iterator[Look]:
    """Make somebody who looks: `look(user=, theme=, screen=)`. At the end no page may have complained."""
    lookers: list[Looker] = []

    def make(*, user: str = "admin", theme: str = "light", screen: dict[str, int] = DESKTOP) -> Looker:
        is_phone = screen is PHONE
        context = browser.new_context(
            viewport=screen, color_scheme=theme, has_touch=is_phone, device_scale_factor=2 if is_phone else 1
        )
        context.add_cookies([{"name": "_token", "value": scenes.token(user), "url": scenes.stack.url}])
        lookers.append(Looker(context))
        return lookers[-1]

    yield make
    for looker in lookers:
        looker.context.close()
    assert [fault for looker in lookers for fault in looker.faults] == []


@pytest.fixture
def picture() -> Picture:
    """Keep a picture of a page for people to look at."""

    def take(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(SCREENSHOTS / f"{name}.png"), animations="disabled")

    return take
