"""What is in a record is somebody else's text, and may not be a record at all."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.ui.looking import Look, Scenes

MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
def restored(scenes: Scenes) -> Any:
    """Give the record of a task to spoil, and put it back."""
    record = scenes.record("changing")
    yield record
    scenes.leave_record("changing", record)


def spoiled(record: Any) -> Any:
    """Replace every text in a record, but those that the page goes by, with markup."""
    if isinstance(record, dict):
        kept = ("phase", "source", "over", "type")
        return {key: value if key in kept else spoiled(value) for key, value in record.items()}
    if isinstance(record, list):
        return [spoiled(entry) for entry in record]
    return MARKUP if isinstance(record, str) else record


def test_markup_in_a_record_is_shown_as_text(scenes: Scenes, look: Look, restored: Any) -> None:
    record = spoiled({**restored, "metrics": {}})
    record["metrics"] = {MARKUP: restored["metrics"]["loss"]}
    record["diagnosis"] = {"cause": MARKUP, "message": MARKUP, "evidence": [MARKUP], "remedy": MARKUP, "pod": MARKUP}
    scenes.leave_record("changing", record)

    page = look().open(scenes.frame_url("changing"))

    expect(page.locator("h1")).to_have_text(MARKUP)
    expect(page.locator(".why")).to_have_text(f"{MARKUP}.")
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "Training"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        pytest.param({"version": 99}, "has version 99; this page reads version 1", id="another version"),
        pytest.param(["x"], "is not in Airflow's database.", id="no record"),
        pytest.param("s3://bucket/xcom/1", "is not in Airflow's database", id="kept elsewhere"),
    ],
)
def test_a_record_that_cannot_be_shown_is_named(
    scenes: Scenes, look: Look, restored: Any, record: Any, words: str
) -> None:
    scenes.leave_record("changing", record)

    page = look().open(scenes.frame_url("changing"))

    expect(page.locator("#main")).to_contain_text(words)


def test_a_loss_that_is_not_a_number_is_said_loudly(scenes: Scenes, look: Look, restored: Any) -> None:
    from tests.ui.scenes import diverged

    scenes.leave_record("changing", diverged())

    page = look().open(scenes.frame_url("changing"))

    expect(page.locator(".note.bad")).to_have_text("loss is NaN since step 121: the training has diverged.")
    expect(page.get_by_role("button", name="loss NaN")).to_be_visible()


def test_a_training_that_has_fallen_silent_is_remarked(scenes: Scenes, look: Look, restored: Any) -> None:
    record = {**restored, "progress": {**restored["progress"], "as_of": restored["updated"] - 1200}}
    scenes.leave_record("changing", record)

    page = look().open(scenes.frame_url("changing"))

    expect(page.locator(".note").first).to_contain_text("Nothing of its progress was heard for 2")


def test_an_airflow_that_does_not_answer_is_asked_again(scenes: Scenes, look: Look) -> None:
    looker = look()
    page = looker.open(scenes.frame_url("running"))
    expect(page.locator("h1")).to_be_visible()

    looker.context.set_offline(True)
    expect(page.get_by_role("alert").first).to_have_text(
        "Airflow does not answer. Asking again in 5 s.", timeout=15_000
    )
    expect(page.locator("h1")).to_be_visible()
    looker.context.set_offline(False)

    expect(page.get_by_role("alert").first).to_be_hidden(timeout=20_000)
    looker.faults.clear()
