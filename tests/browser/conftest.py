"""A real Chromium for tests that are not async."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.waiting import PATIENCE

NAMES = ("chromium", "google-chrome", "chromium-browser")
BINARY = next((found for name in NAMES if (found := shutil.which(name))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=PATIENCE * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")  # its event loop runs in this thread, where async tests of other modules need theirs
def browser() -> Iterator[Browser]:
    if BINARY is None:
        pytest.skip("Chromium: not on PATH")
    # Playwright's sync API runs an event loop in this thread, and Django would refuse to touch the database here.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    starting = sync_playwright()
    try:
        playwright = starting.__enter__()
    except Exception as error:
        pytest.skip(f"Chromium: Playwright's driver does not run ({error})")
    chromium = playwright.chromium.launch(executable_path=BINARY, args=ARGUMENTS)
    yield chromium
    chromium.close()
    starting.__exit__(None, None, None)
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def errors() -> list[str]:
    """What the pages of this test reported; it must be empty at the end, unless the test clears it."""
    return []


@pytest.fixture
def new_page(browser: Browser, errors: list[str]) -> Iterator[Callable[[], Page]]:
    """new_page(): a page in a browser context of its own, as on another computer."""
    contexts: list[BrowserContext] = []

    def report(entry: ConsoleMessage) -> None:
        if entry.type == "error" and not entry.location["url"].endswith("/favicon.ico"):
            errors.append(entry.text)

    def make() -> Page:
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", report)
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []
