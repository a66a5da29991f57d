"""A site as a user of the package has it: templates in a folder, the real tag in them, the real middleware."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template.loader import select_template
from django.test import Client
from django.urls import include, path
from playwright.sync_api import BrowserContext, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer as DjangoServer

from instant.models import Channel
from instant.testing import LiveServer
from tests.browser.conftest import PATIENCE

NewPage = Callable[[], Page]
Found = TypeVar("Found")
MIDDLEWARE = "instant.middleware.InstantMiddleware"
CLIENT = '{% include "instant/client.html" %}'
#: A handler that keeps what it gets.
KEEPS = "(window.calls = window.calls || []).push([event_class, channel, message, data, site, uid, timestamp]);"


def show(request: HttpRequest, name: str) -> HttpResponse:
    """A page, with the template of its name, else with `page.html`."""
    found = select_template([f"{name}.html", "page.html"])
    return HttpResponse(found.render({"users": User.objects.order_by("username")}, request))


urlpatterns = [
    path("admin/", admin.site.urls),
    path("instant/", include("instant.urls")),
    path("<path:name>/", show),
]


class Starter:
    """A live server of one test: that of pytest-django is of the session, and has the MIDDLEWARE of its first test."""

    running: DjangoServer | None = None

    def started(self) -> DjangoServer:
        if self.running is None:
            self.running = DjangoServer("localhost")
            self.running.thread.httpd.daemon_threads = False  # stop() waits for requests that still use the database
        return self.running


@pytest.fixture
def django() -> Iterator[Starter]:
    starter = Starter()
    yield starter
    if starter.running:
        starter.running.stop()


class Site:
    """What the author and the visitors of the site do."""

    def __init__(self, django: Starter, folder: Path, new_page: NewPage) -> None:
        self.django, self.folder, self.new_page = django, folder, new_page

    @property
    def url(self) -> str:
        """Where it is; it starts when it is asked for first, with the MIDDLEWARE of that moment."""
        return self.django.started().url

    def write(self, **templates: str) -> None:
        """write(page=…) makes page.html."""
        for name, text in templates.items():
            self.write_file(f"{name}.html", text)

    def write_file(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def write_scripts(self, scripts: dict[str, str]) -> None:
        """Templates of templates/instant, by their names without ".js"."""
        for name, text in scripts.items():
            self.write_file(f"instant/{name}.js", text)

    def browser(self, name: str | None = None) -> Page:
        """A browser of its own, in which this user is logged in."""
        page = self.new_page()
        if name is not None:
            self.log_in(page.context, name)
        return page

    def log_in(self, context: BrowserContext, name: str) -> None:
        client = Client()
        client.force_login(User.objects.get(username=name))
        cookies = [{"name": key, "value": morsel.value, "url": self.url} for key, morsel in client.cookies.items()]
        context.add_cookies(cookies)  # type: ignore[arg-type]

    def open(self, name: str | None = "ann", path: str = "index/") -> Page:
        """The page of this user, connected and joined."""
        page = self.browser(name)
        page.goto(f"{self.url}/{path}")
        joined(page)
        return page


@pytest.fixture
def site(
    browser: object,
    server: LiveServer,
    transactional_db: None,
    django: Starter,  # before the pages, which end first
    settings: Settings,
    tmp_path: Path,
    new_page: NewPage,
) -> Site:
    """A site with users and channels; its pages are `page.html`, and keep what comes in `calls`."""
    settings.DEBUG = False
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    cache.clear()
    User.objects.create_superuser("ann", password="secret")
    User.objects.create_user("bob", password="secret")
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="users", level="users")
    made = Site(django, tmp_path, new_page)
    made.write(page=CLIENT)
    made.write_scripts({"handlers/default": KEEPS})
    return made


def until(page: Page, condition: str, argument: object = None) -> None:
    """Wait until the page's JavaScript finds it true; `wait_for_function` would need the policy's 'unsafe-eval'."""
    wait_for(page, lambda: page.evaluate(condition, argument), f"{condition} with {argument}")


def wait_for(page: Page, found: Callable[[], Found], what: str) -> Found:
    """Let the browser's events come in until there is something to return."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if it := found():
            return it
        page.wait_for_timeout(25)
    raise AssertionError(f"waited in vain for {what}: {page.evaluate('window.calls')}")


def joined(page: Page, *names: str) -> None:
    """Wait until the page is connected, and in all its channels, and in these."""
    page.wait_for_selector("html[data-instant-state=connected]", state="attached")
    until(
        page,
        """names => {
            const all = instant.client ? instant.client.subscriptions() : {};
            return Object.values(all).length > 0 && Object.values(all).every(({state}) => state == "subscribed")
                && names.every((name) => name in all);
        }""",
        list(names),
    )


def joins(page: Page) -> Callable[[int], None]:
    """Call it before the page is opened, and what it returns to wait until the server has let it into so many
    channels: for a page whose client is out of reach."""
    frames: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame)))

    def wait(count: int) -> None:
        wait_for(page, lambda: sum(str(frame).count('"subscribe":') for frame in frames) >= count, f"joins in {frames}")

    return wait


def in_channels(page: Page) -> set[str]:
    """The channels that the page has joined, but for the user's own."""
    return {name for name in page.evaluate("Object.keys(instant.client.subscriptions())") if name[:6] != "$user."}


def calls(page: Page, count: int) -> list[Any]:
    """Wait for so many calls of handlers."""
    until(page, "count => (window.calls || []).length >= count", count)
    return list(page.evaluate("calls"))


def handled(page: Page, *texts: str) -> None:
    """Wait for these messages; there must be no others, and none twice."""
    found = calls(page, len(texts))
    assert [call[2] for call in found] == list(texts)
    assert len({call[5] for call in found}) == len(texts)


def traffic(page: Page) -> tuple[list[str], list[str]]:
    """Lists to which the paths of requests and the addresses of websockets come."""
    requests: list[str] = []
    sockets: list[str] = []
    page.on("request", lambda request: requests.append(urlsplit(request.url).path))
    page.on("websocket", lambda socket: sockets.append(socket.url))
    return requests, sockets
