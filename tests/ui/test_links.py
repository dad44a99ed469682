"""The links under a task instance: to its Training tab, and to the pages that the configuration names."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.ui.looking import Look, Picture, Scenes, tab_of


def links(scenes: Scenes, task_id: str, *, dag_id: str = "scenes", map_index: int = -1) -> dict[str, str | None]:
    return scenes.stack.api.links(dag_id, scenes.runs[dag_id], task_id, map_index=map_index)


@pytest.mark.parametrize(
    ("task_id", "trainjob"),
    [
        pytest.param("running", "llama-3f9a2c", id="while it is deferred"),
        pytest.param("finished", "llama-77c04e", id="after it succeeded"),
        pytest.param("failed", "llama-e51b08", id="after it failed"),
    ],
)
def test_a_task_has_links_with_the_name_of_its_trainjob(scenes: Scenes, task_id: str, trainjob: str) -> None:
    assert links(scenes, task_id) == {
        "Training": scenes.page_url(task_id),
        "Grafana": f"https://grafana.example/d/pods?var-pod={trainjob}-node.*",
        "Kueue": "https://kueue.example/queues/ml/gpus",
        # Two have no template, and one a template that cannot be filled in.
        "MLflow": None,
        "TensorBoard": None,
        "TrainJob": None,
    }


def test_each_of_a_mapped_task_has_links_of_its_own(scenes: Scenes) -> None:
    for index in (0, 2):
        found = links(scenes, "train", dag_id="sweep", map_index=index)

        assert found["Training"] == scenes.page_url("train", dag_id="sweep", map_index=index)
        assert found["Grafana"] == f"https://grafana.example/d/pods?var-pod=sweep-{index}-node.*"


def test_the_link_leads_from_the_tasks_page_to_the_tab(scenes: Scenes, look: Look, picture: Picture) -> None:
    page = look().open(scenes.page_url("running").removesuffix("/plugin/trainjob") + "/details")

    expect(page.get_by_role("link", name="Grafana")).to_be_visible()
    expect(page.get_by_role("link", name="MLflow")).to_be_hidden()
    picture(page, "links")
    page.goto(page.get_by_role("link", name="Training").last.get_attribute("href") or "")

    expect(tab_of(page).locator("h1")).to_have_text("llama-3f9a2c")
