"""The chart: what it draws, how it is used by mouse, keyboard and finger, and how fast it is."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.ui.looking import PHONE, Look, Scenes

POINTS = 10_000
MILLISECONDS = 200


@pytest.fixture
def page(scenes: Scenes, look: Look) -> Page:
    shown = look().open(scenes.frame_url("running"))
    expect(shown.get_by_role("application").first).to_be_visible()
    shown.get_by_role("application").scroll_into_view_if_needed()
    return shown


def chart(page: Page) -> Locator:
    return page.get_by_role("application")


def state(page: Page, expression: str) -> Any:
    return page.evaluate(f"window.trainingTab.view.curves.chart.{expression}")


def drag(page: Page, start: float, end: float) -> None:
    box = chart(page).bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=4)
    page.mouse.up()


def test_dragging_zooms_and_a_double_click_shows_all_again(page: Page) -> None:
    assert state(page, "zoom") is None

    drag(page, 0.5, 0.75)
    low, high = state(page, "zoom")
    assert 380 < low < 460
    assert 600 < high < 680

    chart(page).dblclick()
    assert state(page, "zoom") is None


def test_the_pointer_reads_values(page: Page) -> None:
    box = chart(page).bounding_box()
    assert box is not None

    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)

    tip = page.locator(".tip")
    expect(tip).to_contain_text("step 4")
    expect(tip).to_contain_text("loss1.")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 60)
    expect(tip).to_be_hidden()


def test_all_of_it_works_without_a_mouse(page: Page) -> None:
    said = page.locator("#said")
    page.get_by_role("button", name="loss").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="lr", pressed=True)).to_be_focused()

    chart(page).focus()
    page.keyboard.press("End")
    expect(said).to_have_text("step 860: lr 1.16e-4")
    page.keyboard.press("Home")
    expect(said).to_contain_text("step 1: lr 3.00e-6")
    page.keyboard.press("ArrowRight")
    assert state(page, "reading") > 1
    page.keyboard.press("+")
    assert state(page, "zoom") is not None
    page.keyboard.press("Escape")
    assert state(page, "zoom") is None


def test_every_control_can_be_reached_and_is_named(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    reached: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(() => { const e = document.activeElement; return e === document.body ? null :"
            " e.ariaLabel || e.labels?.[0]?.innerText || e.innerText; })()"
        )
        if name is None:
            break
        reached.append(name)

    assert all(reached)
    for name in ("Log scale", "Smoothing", "Zoom in", "Zoom out", "Pods", "Events", "Manifest"):
        assert any(name in one for one in reached), (name, reached)


def test_a_log_scale_and_smoothing_change_what_is_drawn_and_not_what_is_known(page: Page) -> None:
    expect(page.get_by_label("Smoothing")).to_have_value("0.6")
    latest = state(page, "prepared[0].raw.at(-1)")

    page.get_by_label("Log scale").check()
    assert state(page, "options.log")
    assert all(tick > 0 for tick in state(page, "frame.yTicks"))
    page.get_by_label("Smoothing").fill("0")

    assert state(page, "prepared[0].y.at(-1)") == state(page, "prepared[0].raw.at(-1)") == latest


def test_a_finger_reads_values_and_scrolls_the_page(scenes: Scenes, look: Look) -> None:
    page = look(screen=PHONE).open(scenes.frame_url("running"))
    expect(chart(page)).to_be_visible()
    chart(page).scroll_into_view_if_needed()

    assert chart(page).evaluate("canvas => getComputedStyle(canvas).touchAction") == "pan-y"
    box = chart(page).bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 60)
    page.get_by_role("button", name="Zoom in").tap()
    assert state(page, "zoom") is not None


# Draws curves as the page does, in a frame of the browser's own, and gives the fastest of a few rounds in milliseconds:
# whatever else the machine does makes a round slower, never faster.
TIMED = """async ([curves, points]) => {
  const { Chart } = await import(new URL("static/js/chart.js", document.baseURI));
  const { curveColour } = await import(new URL("static/js/theme.js", document.baseURI));
  const chart = new Chart({ label: "loss" });
  chart.element.style.width = "1200px";
  document.body.append(chart.element);
  let fastest = Infinity;
  for (let round = 0; round < 5; round += 1) {
    const data = Array.from({ length: curves }, (_, index) => ({
      name: `curve ${index}`,
      colour: curveColour(index, curves),
      x: Array.from({ length: points }, (_, at) => at + 1),
      y: Array.from({ length: points }, (_, at) => 1 + index / 10 + 3 * Math.exp(-at / points) + Math.random()),
    }));
    const began = performance.now();
    chart.show(data, { smoothing: 0.6, log: false, xName: "step" });
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    fastest = Math.min(fastest, performance.now() - began);
  }
  return fastest;
}"""


@pytest.mark.parametrize(
    "curves", [pytest.param(1, id="one curve"), pytest.param(8, id="8 curves"), pytest.param(100, id="100 curves")]
)
def test_ten_thousand_points_are_drawn_in_less_than_the_blink_of_an_eye(page: Page, curves: int) -> None:
    taken = page.evaluate(TIMED, [curves, POINTS // curves])

    assert taken < MILLISECONDS


MODULE = (
    """([file, name, args]) => import(new URL(`static/js/${file}`, document.baseURI)).then((m) => m[name](...args))"""
)


def call(page: Page, file: str, name: str, *arguments: Any) -> Any:
    return page.evaluate(MODULE, [file, name, list(arguments)])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (90061, "1 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_durations_are_told_in_two_units(page: Page, seconds: float, words: str) -> None:
    assert call(page, "format.js", "duration", seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.23456, "1.235"),
        (0.0003, "3.00e-4"),
        (2539.84, "2,539.8"),
        ("NaN", "NaN"),
        ("-Infinity", "\N{MINUS SIGN}\N{INFINITY}"),
        (None, "\N{EN DASH}"),
    ],
)
def test_numbers_are_told_in_few_digits(page: Page, value: Any, words: str) -> None:
    assert call(page, "format.js", "number", value) == words


def test_smoothing_has_no_pull_to_its_start(page: Page) -> None:
    assert call(page, "scale.js", "smooth", [5.0] * 4, 0.9) == pytest.approx([5.0] * 4)
    assert call(page, "scale.js", "smooth", [4.0, 2.0], 0.5) == pytest.approx([4.0, 8 / 3])


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.5, 213.0), (1e-6, 3e-4), (1.0, 1.0), (0.9, 1.1), (1, 1_000_000)])
def test_an_axis_has_a_few_round_marks_in_order(page: Page, low: float, high: float, log: bool) -> None:
    ticks = page.evaluate(
        """async ([low, high, log]) => {
          const { Scale } = await import(new URL("static/js/scale.js", document.baseURI));
          return new Scale(low, high, 0, 300, log).ticks(6);
        }""",
        [low, high, log],
    )

    assert 1 <= len(ticks) <= 13
    assert all(before < after for before, after in itertools.pairwise(ticks))
    assert all(float(f"{tick:.3g}") == pytest.approx(tick) for tick in ticks)
