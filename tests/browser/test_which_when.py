"""docs/which-when.md: its four examples, in one real page."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from pytest_django import Settings

from tests.blog import models as blog_models
from tests.blog.fixtures import no_events_left  # noqa: F401 - a fixture
from tests.browser import live_site, sockets_site
from tests.browser.live_site import CLIENT, Site, Starter, joined, wait_for
from tests.features import use_features
from tests.snippets import ROOT, snippets
from tests.sockets.running import RunningWorker

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.browser.live_site"),
    pytest.mark.usefixtures("no_events_left"),
]
django, site, worker = live_site.django, live_site.site, sockets_site.worker  # fixtures
of_sockets = sockets_site.namespaces
PAGE = ROOT / "docs/which-when.md"


@pytest.fixture
def namespaces(
    of_sockets: dict[str, Any], monkeypatch: pytest.MonkeyPatch, settings: Settings, django: Starter
) -> dict[str, Any]:
    """Run the page's Python before the websockets server starts, as a site does."""
    use_features(monkeypatch, windows=True)
    settings.INSTANT_BACKEND_URL = django.started().url
    monkeypatch.setitem(sys.modules, "blog", types.ModuleType("blog"))
    monkeypatch.setitem(sys.modules, "blog.models", blog_models)
    names: dict[str, Any] = {"__name__": "snippet"}
    for block in snippets(PAGE):
        if block.language == "python" and "publish(" not in block.text:
            exec(compile(block.text, str(block), "exec"), names)
    names["TitleEvents"]().register()
    return of_sockets


def test_the_four_examples(site: Site, worker: RunningWorker) -> None:
    site.write(page=f'{CLIENT}<template data-instant-stream="$events.blog.title"></template>')
    page = site.browser("ann")
    told: list[str] = []
    page.on("console", lambda entry: told.append(entry.text))
    page.goto(f"{site.url}/index/")
    joined(page, "$users", "$events.blog.title")
    listening, event, call, socket = [block.text for block in snippets(PAGE) if block.language == "js"]
    for text in (listening, event, call, socket):
        page.evaluate(f"async () => {{ {text} }}")
    (publishing,) = [block.text for block in snippets(PAGE) if "publish(" in block.text and block.language == "python"]
    exec(publishing, {})
    blog_models.Post.objects.create(title="First", author=blog_models.Author.objects.create(name="ann"))
    wait_for(page, lambda: len(told) >= 4, "four lines")
    assert sorted(told)[0] == "2"
    assert {"HELLO", "The shop is open {hours: 8}"} <= set(told)
    assert any(line.startswith("create ") and "title: First" in line for line in told), told
