"""The report in a real browser: what is shown, clicked, typed and read aloud. Needs chromium (`apt-get install
chromium`)."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any, Literal

import pytest

from emopms.engine.report.page import render
from tests.engine.report.stories import LAYERS, story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the report of stories. Whatever the page asks for or complains of fails the test."""
    complaints: list[str] = []
    asked: list[str] = []
    pages: list[str] = []
    contexts = []

    def open_page(*stories: Any, width: int = 1280, scheme: Literal["light", "dark"] = "light") -> Page:
        folder = tmp_path / stories[0].name
        folder.mkdir(exist_ok=True)
        (folder / "report.html").write_text(render(stories), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        address = (folder / "report.html").as_uri()
        page.on("request", lambda request: asked.append(request.url))
        pages.append(address)
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert asked == pages


def scheme_of(page: Page) -> str:
    return page.locator("#scheme h3").inner_text()


def test_a_click_shows_the_scheme_its_layers_and_its_command(opened: Callable[..., Page], tmp_path: Path) -> None:
    page = opened(story())
    assert scheme_of(page) == "scheme 6", "at first, that of a model"
    page.locator("#front .point[data-scheme='7']").click()
    assert scheme_of(page) == "scheme 7"
    commands = page.locator("#scheme .command").all_inner_texts()
    pick = f"emopms pick {tmp_path / 'made-up'}"
    assert commands == [f"{pick} --index 7", f"{pick} --macs 0.4", f"{pick} --accuracy 0.9"]
    widths = page.locator("#layers .value").all_inner_texts()
    assert widths == [f"{kept} of {layer['channels']}" for kept, layer in zip((8, 8, 10), LAYERS, strict=True)]
    page.locator("#front .point[data-scheme='3']").click()
    assert scheme_of(page) == "scheme 3 (not on the front: another point has no more loss and no more MACs and latency)"


def test_a_chosen_model_is_shown_everywhere(opened: Callable[..., Page]) -> None:
    page = opened(story("one"), story("two"))
    page.locator("#front .point[data-run='1'][data-scheme='6']").click()
    assert page.locator("#lost-model").input_value() == '[1,"macs-0.5"]'
    shown = dict(zip(*(page.locator(f"#scheme {kind}").all_inner_texts() for kind in ("dt", "dd")), strict=True))
    assert shown["accuracy, validation images"] == "80.38 %"
    assert shown["accuracy of macs-0.5, fine-tuned, test images"] == "88.00 %"
    page.locator("#front .point[data-run='1'][data-scheme='7']").click()
    assert page.locator("#lost-model").input_value() == '[1,"macs-0.5"]', "a point that is no model leaves it"


def test_a_selected_point_is_always_visible(opened: Callable[..., Page]) -> None:
    page = opened(story())
    point = page.locator("#front .point[data-scheme='3']")
    assert point.evaluate("made => getComputedStyle(made).opacity") == "0.35"
    point.click()
    assert point.evaluate("made => getComputedStyle(made).opacity") == "1"
    assert page.locator("#front .knee").count() == 1
    assert "knee" in page.locator("#front svg text").all_text_contents()


def test_it_is_operated_with_the_keyboard_alone(opened: Callable[..., Page]) -> None:
    page = opened(story())
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.scheme") == "6"
    page.keyboard.press("ArrowRight")
    assert scheme_of(page) == "scheme 7"
    page.keyboard.press("End")
    assert "the dense network" in scheme_of(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert scheme_of(page).startswith("scheme 0")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("button", name=re.compile("Copied|Selected")).wait_for()


def test_everything_has_a_name_for_screen_readers(opened: Callable[..., Page]) -> None:
    page = opened(story())
    assert page.get_by_role("button", name="scheme 6: accuracy 80.4 %, MACs 56.8 %, model macs-0.5").count() == 1
    assert page.locator("#front .point").count() == page.locator("#front .point[aria-label]").count() == 12
    assert page.locator("#front .point[tabindex='0']").count() == 1
    assert page.locator(".chart > svg:not([aria-label]), .grid svg:not([aria-label])").count() == 0
    for label in ("Across", "Up", "Model"):
        assert page.get_by_label(label, exact=True).evaluate("each => each.tagName") == "SELECT"
    for section in page.locator("section").all():
        assert section.get_attribute("aria-labelledby") or section.get_attribute("aria-label")


def test_axes_can_be_any_cost_and_the_loss(opened: Callable[..., Page]) -> None:
    page = opened(story())
    page.get_by_label("Across", exact=True).select_option("latency")
    page.get_by_label("Up", exact=True).select_option("measured_loss")
    texts = page.locator("#front svg text").all_text_contents()
    assert "latency, share of the dense network's" in texts
    assert "loss" in texts
    assert page.locator("#front .point.chosen").count() == 1


def test_several_runs_lie_over_each_other(opened: Callable[..., Page]) -> None:
    page = opened(story("one"), story("two", points=6))
    assert page.locator("#front .point[data-run='0']").count() == 12
    page.locator("#front .point[data-run='1'][data-scheme='2']").click()
    assert scheme_of(page) == "two: scheme 2 (the knee)"
    assert page.locator("#scheme .command").first.inner_text() == "emopms pick runs/two --index 2"
    page.get_by_label("Model", exact=True).select_option(label="two: macs-0.5")
    assert page.locator("#lost .value").all_inner_texts() == ["1.00", "7.00"]


def test_ten_thousand_points(opened: Callable[..., Page]) -> None:
    page = opened(story(points=10_000))
    assert page.locator("#front .point").count() == 10_000
    page.locator("#front .point[data-scheme='9999']").click()
    assert "the dense network" in scheme_of(page)


def test_names_are_shown_as_they_are(opened: Callable[..., Page]) -> None:
    name = "<b>&'\"`$(x)"
    page = opened(story(name, layers=[{"name": name, "subnetwork": "1", "channels": 8}] * 3))
    assert page.locator("h1").inner_text() == name
    assert page.locator("#layers .name").first.inner_text() == name
    assert page.locator("#scheme .command").first.inner_text().endswith("/<b>&'\\''\"`$(x)' --index 6")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_every_screen_in_light_and_dark(opened: Callable[..., Page], width: int, scheme: str) -> None:
    page = opened(story(), width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    assert page.locator("#front svg").bounding_box()["width"] > 250  # type: ignore[index]
