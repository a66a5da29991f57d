"""A site with signals, which the websockets server can call."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page
from pytest_django import Settings

from instant.windows import registry
from tests.browser.live_site import CLIENT, MIDDLEWARE, Starter, until
from tests.features import use_features

#: A page that keeps what the signal app.mark brings.
MARKED = """<!doctype html><title>{{ request.user }}</title><script>const marks = [];</script>""" + (
    CLIENT + "<script>instant.windows.connect('app.mark', ({target}) => marks.push(target));</script>"
)


@pytest.fixture
def namespaces(
    monkeypatch: pytest.MonkeyPatch, transactional_db: None, settings: Settings, django: Starter, tmp_path: Any
) -> dict[str, Any]:
    """Comes before the websockets server, which must know where Django is."""
    use_features(monkeypatch, windows=True)
    monkeypatch.setattr(registry, "_connections", {})
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    settings.INSTANT_BACKEND_URL = django.started().url
    return {}


def marks(page: Page, *targets: str) -> None:
    """Wait for these, after the greeting; there must be no others, and none twice."""
    expected = sorted(["greeting", *targets])
    until(page, "count => marks.length >= count", len(expected))
    page.wait_for_timeout(150)
    found = sorted(page.evaluate("marks"))
    assert found == expected, found


def call(page: Page, name: str, opts: dict[str, Any], options: dict[str, Any] | None = None) -> Any:
    """The value, or the error's name, code and reason."""
    return page.evaluate(
        """([name, opts, options]) => instant.call(name, opts, options).catch(
            ({name, code, reason}) => [name, code, reason])""",
        [name, opts, options or {}],
    )
