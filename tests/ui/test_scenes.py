"""The Training tab in Airflow's own pages: what a person sees of a training in each of its states."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import pytest
import yaml
from playwright.sync_api import expect

from tests.ui.looking import DESKTOP, PHONE, Look, Picture, Scenes, tab_of


def test_a_running_training_shows_how_far_it_is_and_how_long_it_takes(
    scenes: Scenes, look: Look, picture: Picture
) -> None:
    page = look().open(scenes.page_url("running"))
    tab = tab_of(page)

    expect(tab.locator("h1")).to_have_text("llama-3f9a2c")
    expect(tab.locator(".pill")).to_have_text("Training")
    expect(tab.locator(".percent")).to_have_text("57 %")
    expect(tab.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "57")
    expect(tab.locator(".remaining")).to_contain_text("left, until")
    expect(tab.locator(".facts")).to_contain_text("step 860 of 1,500 · epoch 1.72 of 3 · 1.2 s a step")
    expect(tab.locator(".phases li")).to_have_count(4)
    expect(tab.locator(".phases li").first).to_contain_text("Queued8 min 10 s")
    expect(tab.get_by_role("group", name="Metrics").get_by_role("button")).to_have_count(4)
    expect(tab.get_by_role("region", name="Pods").locator("tbody tr")).to_have_count(3)
    expect(tab.get_by_role("region", name="Pods")).to_contain_text("gpu-a100-4")
    expect(tab.locator(".failure")).to_be_hidden()
    picture(page, "running")


def test_a_queued_training_says_what_it_waits_for(scenes: Scenes, look: Look, picture: Picture) -> None:
    page = look().open(scenes.page_url("queued"))
    tab = tab_of(page)

    expect(tab.locator(".pill")).to_have_text("Queued")
    expect(tab.locator(".says")).to_contain_text("It waits to be admitted: Pending: couldn't assign flavors")
    expect(tab.locator(".phases")).to_contain_text("Queued")
    expect(tab.locator(".chart").first).to_be_hidden()
    picture(page, "queued")


def test_a_finished_training_is_still_there_with_its_curves(scenes: Scenes, look: Look, picture: Picture) -> None:
    page = look().open(scenes.page_url("finished"))
    tab = tab_of(page)

    expect(tab.locator(".pill")).to_have_text("Succeeded")
    expect(tab.locator(".percent")).to_have_text("100 %")
    expect(tab.locator(".phases li").last).to_contain_text("Training55 min")
    expect(tab.locator(".remaining")).to_be_empty()
    expect(tab.get_by_role("application").first).to_have_attribute("aria-label", _starting("loss over step. loss:"))
    picture(page, "finished")


def test_a_failed_training_says_why_on_top_and_names_the_pods_log(scenes: Scenes, look: Look, picture: Picture) -> None:
    page = look().open(scenes.page_url("failed"))
    tab = tab_of(page)

    why = tab.get_by_role("alert").filter(has_text="Why it failed")
    expect(why).to_contain_text("used more memory than its limit and was killed")
    expect(why).to_contain_text("Raise memory in resources_per_node")
    expect(why).to_contain_text("llama-e51b08-node-0-1-p4m2d: OOMKilled, exit code 137")
    expect(why).to_contain_text("out of memory · pod llama-e51b08-node-0-1-p4m2d")
    expect(tab.locator(".percent")).to_have_text("27 %")
    pods = tab.get_by_role("region", name="Pods").locator("tbody tr")
    expect(pods.last).to_contain_text("OOMKilled6137")
    expect(tab.get_by_role("region", name="Events")).to_contain_text("BackOff \N{MULTIPLICATION SIGN}6")
    expect(tab.locator(".copyable").last).to_contain_text("kubectl -n ml logs llama-e51b08-node-0-1-p4m2d -c node")
    picture(page, "failed")


def test_a_mapped_task_shows_itself_and_on_demand_all_of_its_siblings(
    scenes: Scenes, look: Look, picture: Picture
) -> None:
    page = look().open(scenes.page_url("train", dag_id="sweep", map_index=2))
    tab = tab_of(page)

    expect(tab.locator("h1")).to_have_text("sweep-2")
    tab.get_by_role("tab", name="All mapped").click()
    rows = tab.get_by_role("region", name="Trainings").locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(3)).to_contain_text("lr=3e-4")
    expect(rows.nth(2)).to_contain_text("58 %")
    expect(rows.filter(has_text="best")).to_have_count(1)
    expect(rows.filter(has_text="best")).to_contain_text("lr=1e-5")
    picture(page, "mapped")


def test_a_run_shows_all_of_its_trainings_in_one_chart(scenes: Scenes, look: Look, picture: Picture) -> None:
    run = quote(scenes.runs["sweep"], safe="")
    page = look().open(f"{scenes.stack.url}/dags/sweep/runs/{run}/plugin/trainjobs-of-run")
    tab = tab_of(page)

    expect(tab.locator("#main")).to_contain_text("6 trainings: 2 succeeded, 4 training")
    chart = tab.get_by_role("application")
    expect(chart).to_have_attribute("aria-label", _starting("loss over step. train lr=1e-5:"))
    tab.get_by_label("Metric").select_option("lr")
    expect(chart).to_have_attribute("aria-label", _starting("lr over step."))
    picture(page, "run-lr")
    tab.get_by_label("Metric").select_option("loss")
    expect(chart).to_have_attribute("aria-label", _starting("loss over step."))
    tab.get_by_role("button", name="train lr=1e-5 best").click()
    expect(chart).to_have_attribute("aria-label", _starting("loss over step. train", but="lr=1e-5"))
    tab.get_by_role("button", name="train lr=1e-5 best").click()
    picture(page, "run")


def test_the_manifest_is_read_when_it_is_unfolded(scenes: Scenes, look: Look) -> None:
    looker = look()
    page = looker.open(scenes.frame_url("finished"))
    assert not any("/manifest" in url for url in looker.asked)

    page.get_by_text("Manifest", exact=True).click()

    shown = page.locator("details pre")
    expect(shown).to_contain_text("kind: TrainJob")
    manifest = yaml.safe_load(shown.inner_text())
    assert manifest["metadata"]["name"] == "llama-77c04e"
    assert "epochs=3" in manifest["spec"]["trainer"]["args"]


def test_a_task_shows_its_latest_runs(scenes: Scenes, look: Look) -> None:
    page = look().open(f"{scenes.stack.url}/dags/scenes/tasks/finished/plugin/trainjobs-of-task")

    expect(tab_of(page).locator("#main")).to_contain_text("1 training: 1 succeeded")


@pytest.mark.parametrize(
    ("task_id", "words"),
    [
        pytest.param("foreign", "This task runs no TrainJob.", id="somebody else's task"),
        pytest.param(
            "later", "The task waits in Airflow; its TrainJob has not been created yet.", id="not started yet"
        ),
    ],
)
def test_where_there_is_no_training_one_line_says_so(scenes: Scenes, look: Look, task_id: str, words: str) -> None:
    page = look().open(scenes.page_url(task_id))

    tab = tab_of(page)
    expect(tab.locator(".quiet").first).to_have_text(words)
    assert tab.locator("#main").inner_text().strip() == words


def test_the_page_changes_with_the_record_and_is_not_loaded_again(scenes: Scenes, look: Look) -> None:
    looker = look()
    page = looker.open(scenes.page_url("changing"))
    tab = tab_of(page)
    expect(tab.locator(".percent")).to_have_text("57 %")
    tab.get_by_role("button", name="lr").click()
    frame = next(frame for frame in page.frames if "/kubeflow-trainer/tab" in frame.url)
    frame.evaluate("window.isTheSame = true")

    record = scenes.record("changing")
    record["progress"] |= {"percent": 93.4, "step": 1401}
    record["metrics"]["lr"] |= {"latest": 0.125}
    scenes.leave_record("changing", record)

    expect(tab.locator(".percent")).to_have_text("93 %", timeout=15_000)
    expect(tab.get_by_role("button", name="lr", pressed=True)).to_contain_text("0.125")
    assert frame.evaluate("window.isTheSame")
    # Neither a log nor anything that is not Airflow's own was asked for.
    hosts = {urlsplit(url).netloc for url in looker.asked if url.startswith("http")}
    assert hosts == {urlsplit(scenes.stack.url).netloc}
    tab_requests = {urlsplit(url).path for url in looker.asked if "/kubeflow-trainer/api/" in url}
    assert tab_requests == {"/kubeflow-trainer/api/scenes/task-instance"}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("screen", [pytest.param(DESKTOP, id="desktop"), pytest.param(PHONE, id="phone")])
@pytest.mark.parametrize("task_id", ["running", "queued", "failed"])
def test_everything_can_be_read_in_both_themes_and_on_a_phone(
    scenes: Scenes, look: Look, picture: Picture, task_id: str, theme: str, screen: dict[str, int]
) -> None:
    page = look(theme=theme, screen=screen).open(scenes.frame_url(task_id))
    page.wait_for_selector("h1")

    assert page.evaluate("document.documentElement.classList.contains('dark')") == (theme == "dark")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= screen["width"]
    assert page.evaluate(LOW_CONTRASTS) == []
    picture(page, f"{task_id}-{theme}-{screen['width']}")


def test_the_tab_follows_the_theme_that_is_chosen_in_airflow(scenes: Scenes, look: Look, picture: Picture) -> None:
    page = look().open(scenes.page_url("running"))
    tab = tab_of(page)
    expect(tab.locator("h1")).to_be_visible()
    light = tab.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")

    page.evaluate("document.documentElement.className = 'dark'")

    expect(tab.locator("html")).to_have_class("dark")
    outer = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    inner = tab.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert inner == outer != light
    picture(page, "running-dark")


def _starting(words: str, *, but: str = "$") -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(words)}(?!.*{but}:)")


# Text whose contrast to what is behind it is below 4.5 (WCAG AA).
LOW_CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((one) => one / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const [one, other] = [light(rgba(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) low.push(`${contrast.toFixed(2)} ${element.className} ${walker.currentNode.textContent}`);
  }
  return low;
}"""
