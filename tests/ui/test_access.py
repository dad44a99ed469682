"""Who may see a training: those who may read its DAG's logs, and nobody else."""

from __future__ import annotations

import re
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import expect

from tests.ui.looking import Look, Scenes

ROUTES = ("task-instance", "manifest", "trainings")


def ask(scenes: Scenes, route: str, *, dag_id: str, user: str | None) -> httpx.Response:
    ids = {"run_id": scenes.runs["secret"], "task_id": "hidden"}
    return scenes.get(f"api/{quote(dag_id)}/{route}", user=user, **ids)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("user", "status"),
    [
        pytest.param("admin", 200, id="somebody who may"),
        pytest.param("guest", 403, id="somebody who may not"),
        pytest.param(None, 401, id="nobody"),
    ],
)
def test_a_training_is_told_to_those_who_may_read_the_logs(
    scenes: Scenes, route: str, user: str | None, status: int
) -> None:
    assert ask(scenes, route, dag_id="secret", user=user).status_code == status


@pytest.mark.parametrize("route", ROUTES)
def test_naming_another_dag_beside_it_opens_nothing(scenes: Scenes, route: str) -> None:
    ids = {"run_id": scenes.runs["secret"], "task_id": "hidden"}

    answer = scenes.get(f"api/secret/{route}", user="guest", dag_id="scenes", **ids)

    assert answer.status_code == 403


@pytest.mark.parametrize("dag_id", ["~", "%7E", "scenes/../secret", "secret/", "nonsense"])
def test_odd_names_of_a_dag_tell_nothing(scenes: Scenes, dag_id: str) -> None:
    for route in ROUTES:
        answer = scenes.get(f"api/{dag_id}/{route}", user="guest", run_id=scenes.runs["secret"], task_id="hidden")

        assert not answer.is_success or dag_id == "nonsense"
        assert "llama" not in answer.text


def test_the_id_of_a_run_of_another_dag_tells_nothing(scenes: Scenes) -> None:
    answers = [ask(scenes, route, dag_id="scenes", user="guest") for route in ROUTES]

    assert all("llama" not in answer.text for answer in answers)


def test_a_guest_sees_what_he_may(scenes: Scenes) -> None:
    answer = scenes.get("api/scenes/task-instance", user="guest", run_id=scenes.runs["scenes"], task_id="running")

    assert answer.json()["record"]["trainjob"]["name"] == "llama-3f9a2c"


@pytest.mark.parametrize("path", ["docs", "redoc", "openapi.json", "api/docs"])
def test_there_is_no_documentation_that_is_open_to_anybody(scenes: Scenes, path: str) -> None:
    assert scenes.get(path, user=None).status_code in (401, 404)


def test_the_page_itself_wants_a_login_and_forbids_what_it_does_not_need(scenes: Scenes) -> None:
    assert scenes.get("tab", user=None).status_code == 401

    headers = scenes.get("tab").headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"


def test_the_pages_files_have_addresses_that_change_with_them(scenes: Scenes) -> None:
    (script,) = re.findall(r'<script type="module" src="([^"]+)">', scenes.get("tab").text)

    answer = scenes.get(script)

    assert re.fullmatch(r"static/[0-9a-f]{16}/js/main.js", script)
    assert answer.is_success
    assert "immutable" in answer.headers["cache-control"]


def test_who_may_not_see_a_training_is_told_so_and_nothing_else(scenes: Scenes, look: Look) -> None:
    looker = look(user="guest")
    page = looker.open(scenes.frame_url("hidden", dag_id="secret"))

    words = "You may not read the logs of this DAG, so its trainings are not shown to you."
    expect(page.get_by_role("alert")).to_have_text(words)
    assert page.inner_text("main").strip() == words
    # The browser itself complains of an answer that is no success.
    assert [fault for fault in looker.faults if "403" not in fault] == []
    looker.faults.clear()
