"""docs/live-tutorial.md, word by word: its files are written, its commands are run, its page is opened."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser import test_tutorial
from tests.browser.test_tutorial import Reader, open_when_up
from tests.snippets import ROOT, snippets

reader = test_tutorial.reader  # a fixture


def test_the_tutorial_of_live_pages(reader: Reader, new_page: Callable[[], Page]) -> None:
    steps = snippets(ROOT / "docs/live-tutorial.md")
    to_run = [step for step in steps if step.place != "shell"]
    to_type = [step for step in steps if step.place == "shell"]
    assert steps == to_run + to_type
    for step in to_run:
        reader.follow(step)
    saying, appending, replacing, removing = to_type
    page = new_page()
    open_when_up(page, f"http://localhost:{reader.port}/")
    page.fill("#id_username", "ann")
    page.fill("#id_password", "secret")
    page.click("[type=submit]")
    expect(page).to_have_title("Notes, live")
    expect(page.locator("h1")).to_have_text("Notes of ann")
    reader.follow(saying)
    expect(page.locator("#said")).to_have_text("ann received: Dinner is ready")
    expect(page.locator("#said")).to_have_css("color", "rgb(255, 0, 0)")
    notes = page.locator("#notes > li")
    expect(notes).to_have_count(0)
    reader.follow(appending)
    expect(notes).to_have_text(["Fish & chips"])
    page.reload()
    expect(notes).to_have_text(["Fish & chips"])
    expect(page).to_have_title("Notes, live")
    reader.follow(replacing)
    expect(notes).to_have_text(["Fish & chips, two of them"])
    reader.follow(removing)
    expect(notes).to_have_count(0)
    page.reload()
    expect(page).to_have_title("Notes, live")
    expect(notes).to_have_count(0)
