"""The story as a reader meets it: made by the command, opened in a browser. Needs chromium and the extra `browser`."""

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.extra


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    path = tmp_path_factory.mktemp("story") / "story.html"
    subprocess.run([sys.executable, "-m", "everlearn", "story", "-o", str(path)], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_reads_well(story, browser, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    told, asked = [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(story.as_uri())
    assert told == []
    assert asked == [story.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for figure in page.locator("svg").all():
        box = figure.bounding_box()
        assert 250 < box["width"] <= width
        assert box["height"] > 100
        assert figure.locator("path").count() > 10
    assert page.locator("svg").count() == 8
    size = page.evaluate(
        "Math.min(...[...document.querySelectorAll('p')].map(p => parseFloat(getComputedStyle(p).fontSize)))"
    )
    assert size >= 16
    labels = page.locator("svg text").evaluate_all(
        "texts => texts.map(text => [parseFloat(getComputedStyle(text).fontSize), text.getScreenCTM()])"
        ".map(([size, to]) => size * Math.hypot(to.a, to.b))"
    )
    assert min(labels) >= 10
    paper, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    assert (brightness(paper) < 60) == (scheme == "dark")
    assert abs(brightness(paper) - brightness(ink)) > 150
    # The text of the figures follows the page's.
    label = page.locator("svg text").first.evaluate("text => getComputedStyle(text).fill")
    assert abs(brightness(label) - brightness(paper)) > 150
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/story-{width}-{scheme}.png", full_page=True)
    page.close()


def brightness(colour):
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3
