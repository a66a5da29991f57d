"""The client in a real browser: lost connections, other origins, the client of version 4, the docs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer as DjangoServer

from instant import publish, publish_many, user_channel
from instant.models import Channel
from instant.testing import LiveServer
from tests.browser.live_site import wait_for
from tests.browser.pages import PAGES
from tests.snippets import ROOT, snippets
from tests.tcp_proxies import Cable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.pages")]

NewPage = Callable[[], Page]
LISTENING = """
<link rel="icon" href="data:,">
{% load static %}<script src="{% static 'instant/instant.js' %}"></script>
<script>
  const messages = [], events = [];
  const instant = djangoInstant.useInstant({minReconnectDelay: 50, maxReconnectDelay: 200});
  instant.on("*", (message) => messages.push(message.message));
  instant.onState((state) => events.push(state));
  instant.onUnsubscribe(({channel, code}) => events.push(`out of ${channel}: ${code}`));
</script>
"""


@pytest.fixture
def site(browser: object, server: LiveServer, live_server: DjangoServer, settings) -> DjangoServer:
    """Django and a websockets server, with a user and channels."""
    settings.DEBUG = False
    user = User.objects.create_superuser("ann", password="secret")
    editors = Group.objects.create(name="editors")
    user.groups.add(editors)
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="users", level="users")
    Channel.objects.create(name="editors", level="groups").groups.add(editors)
    PAGES.clear()
    PAGES["listening"] = LISTENING
    return live_server


def arrived(page: Page, *texts: str) -> None:
    """Wait until these messages are there, and nothing else."""
    page.wait_for_function("wanted => messages.length >= wanted", arg=len(texts))
    assert page.evaluate("messages") == list(texts)


def listening(page: Page, site: DjangoServer) -> Page:
    page.goto(f"{site.url}/pages/listening")
    page.evaluate("instant.login('ann', 'secret').then(() => instant.connect())")
    # Three of the table, and the user's own.
    page.wait_for_function("instant.client && instant.client.subscriptions && instant.channels.length == 4")
    page.evaluate("Promise.all(instant.channels.map(({name}) => instant.subscribe(name)))")
    return page


def test_who_was_away_gets_all_in_order_once(
    site: DjangoServer, server: LiveServer, new_page: NewPage, settings, errors: list[str]
) -> None:
    with Cable(server.port) as cable:
        settings.INSTANT_WEBSOCKET_URL = f"ws://127.0.0.1:{cable.port}"
        page = listening(new_page(), site)
        publish("$users", "before")
        arrived(page, "before")
        cable.cut()
        page.wait_for_function("instant.state == 'connecting'")
        publish_many([{"channel": "$users", "message": str(number)} for number in range(50)])
        cable.mend()
        arrived(page, "before", *map(str, range(50)))
        publish("$users", "after")
        arrived(page, "before", *map(str, range(50)), "after")
        page.evaluate("instant.disconnect()")
    errors.clear()  # the browser reports each attempt that failed


def test_a_lost_right_ends_in_the_page(site: DjangoServer, new_page: NewPage) -> None:
    page = listening(new_page(), site)
    User.objects.get().groups.clear()
    page.wait_for_function("events.includes('out of $editors: 2000')")
    publish("$editors", "not for ann")
    publish("$users", "for ann")
    arrived(page, "for ann")


def test_logging_out_in_one_window_ends_the_other_one_of_that_browser(
    site: DjangoServer, new_page: NewPage, errors: list[str]
) -> None:
    page, elsewhere = listening(new_page(), site), listening(new_page(), site)
    same = page.context.new_page()
    same.goto(f"{site.url}/pages/listening")
    same.evaluate("instant.connect()")
    page.evaluate("instant.logout()")
    page.wait_for_function("instant.state == 'disconnected'")
    same.wait_for_function("instant.state == 'disconnected'")
    publish("$users", "still here")
    arrived(elsewhere, "still here")  # another browser of the same user asked for new tokens, and goes on
    errors.clear()  # the 403 of the window that asked


@pytest.fixture
def front_end(tmp_path: Path) -> Iterator[str]:
    """A static front end on an origin of its own."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    (tmp_path / "instant.js").write_bytes((ROOT / "instant/static/instant/instant.js").read_bytes())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        origin = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "index.html").write_text(
            LISTENING.replace("{% load static %}", "").replace("{% static 'instant/instant.js' %}", "/instant.js")
        )
        yield origin
        server.shutdown()
        thread.join()


def test_a_front_end_on_another_origin(front_end: str, site: DjangoServer, settings, new_page: NewPage) -> None:
    settings.CORS_ALLOWED_ORIGINS = settings.CSRF_TRUSTED_ORIGINS = [front_end]
    page = new_page()
    page.goto(f"{front_end}/index.html")
    backend = site.url.replace("localhost", "127.0.0.1")
    page.evaluate(
        """async (backendUrl) => {
            window.other = djangoInstant.useInstant({backendUrl});
            other.on("*", (message) => messages.push(message.message));
            await other.login("ann", "secret");
            await other.connect();
            await other.subscribe("$users");
        }""",
        backend,
    )
    publish("$users", "across")
    arrived(page, "across")
    page.evaluate("other.logout()")
    page.wait_for_function("other.state == 'disconnected'")


def test_a_front_end_that_nobody_named_is_refused(
    front_end: str, site: DjangoServer, new_page: NewPage, errors: list[str]
) -> None:
    page = new_page()
    page.goto(f"{front_end}/index.html")
    outcome = page.evaluate(
        """async (backendUrl) => {
            const instant = djangoInstant.useInstant({backendUrl});
            return instant.login("ann", "secret").catch((error) => error.name);
        }""",
        site.url.replace("localhost", "127.0.0.1"),
    )
    assert outcome == "RequestFailed"  # the browser does not hand over the answer
    errors.clear()


@pytest.mark.parametrize("payload", ["object", "string"])
def test_a_page_of_version_4_goes_on(
    site: DjangoServer, settings, new_page: NewPage, payload: str, errors: list[str]
) -> None:
    """With `$instant`, as its README had it: init, login, init, connect."""
    settings.INSTANT_PAYLOAD = payload
    PAGES["old"] = """
        {% load static %}<script src="{% static 'instant/index.min.js' %}"></script>
        <script>
          const messages = [];
          const {init, login, connect, onMessage, channels, getClient, onReady} = $instant.useInstant();
          onMessage((message) => messages.push(
            [message.channelName, message.msg, message.data, message.eventClass, message.bucket, message.site,
             message instanceof $instant.Message, message.date instanceof Date]));
          async function start(backend, websockets) {
            await init(backend, websockets).catch(() => {});
            await login("ann", "secret");
            await init(backend, websockets);
            await connect();
            await onReady;
          }
        </script>
    """
    page = new_page()
    page.goto(f"{site.url}/pages/old")
    websockets = f"ws://127.0.0.1:{settings.CENTRIFUGO_PORT}"
    page.evaluate("([backend, websockets]) => start(backend, websockets)", [site.url, websockets])
    own = user_channel(User.objects.get())
    assert page.evaluate("[...channels].map(({name}) => name)") == ["$editors", own, "$users", "news"]
    page.wait_for_function("Object.values(getClient().subscriptions()).every((one) => one.state == 'subscribed')")
    publish("$users", "hi", data={"n": 1}, event_class="info", bucket="b")
    page.wait_for_function("messages.length > 0")
    assert page.evaluate("messages") == [["$users", "hi", {"n": 1}, "info", "b", "Site", True, True]]
    errors.clear()  # the 403 of the first init, before the login


def test_the_snippets_of_the_docs_run(site: DjangoServer, new_page: NewPage, errors: list[str]) -> None:
    """Each block of docs/javascript.md, in order, in one page."""
    page = new_page()
    told: list[str] = []
    page.on("console", lambda entry: told.append(entry.text))
    blocks = snippets(ROOT / "docs/javascript.md")
    PAGES["docs"] = next(block.text for block in blocks if block.language == "html").replace("instant.connect();", "")
    page.goto(f"{site.url}/pages/docs")
    for block in blocks:
        if block.language == "js" and block.place != "module":
            page.evaluate(f"async () => {{ {block.text} }}")
    publish("$users", "one", event_class="important", data={"n": 1})
    pk = User.objects.get().pk
    for text in (
        f"{pk} connected [$editors: groups, $user.{pk}: user, $users: users, news: public]",
        "UnauthorizedError 403 wrong_credentials wrong username or password",
        "of one event class {n: 1}",
    ):
        wait_for(page, lambda text=text: text in told, f"{text!r} in {told}")
    assert not any(line.startswith("of one channel") for line in told)  # it was undone
    errors.clear()  # the 403 of the wrong password


@pytest.mark.parametrize("page_name", ["README.md", "docs/javascript.md"])
def test_the_page_of_the_quick_start(site: DjangoServer, new_page: NewPage, page_name: str) -> None:
    page = new_page()
    told: list[str] = []
    page.on("console", lambda entry: told.append(entry.text))
    (PAGES["start"],) = [block.text for block in snippets(ROOT / page_name) if block.language == "html"]
    page.goto(f"{site.url}/admin/login/")
    page.fill("#id_username", "ann"), page.fill("#id_password", "secret"), page.click("[type=submit]")
    page.goto(f"{site.url}/pages/start")
    page.wait_for_function("instant.state == 'connected'")
    page.evaluate("instant.subscribe('$users')")
    publish("$users", "Hello")
    wait_for(page, lambda: any("Hello" in line for line in told), f"Hello in {told}")
