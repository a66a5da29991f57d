"""Clients of a page's own (`instant/extra_clients.js`), with an auth view of its own, as the docs of 0.1 have them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from playwright.sync_api import Page
from pytest_django import Settings

from instant import publish
from instant.models import Channel
from instant.views import instant_auth
from tests.browser import live_site
from tests.browser.live_site import CLIENT, Site, handled, in_channels, joined, traffic, until, wait_for
from tests.snippets import ROOT, snippets

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
django, site = live_site.django, live_site.site  # fixtures

#: What the auth view was asked, by whom.
ASKED: list[Any] = []
#: The view of docs/pages.md, and the one that django-instant brings.
VIEWS: dict[str, Any] = {}


def auth(request: HttpRequest) -> HttpResponse:
    """Hands on to one of them."""
    ASKED.append((str(request.user), request.method, json.loads(request.body)))
    response: HttpResponse = VIEWS["auth"](request)
    return response


auth.csrf_exempt = True  # type: ignore[attr-defined]
urlpatterns = [path("centrifuge/auth/", auth), *live_site.urlpatterns]

#: Chapter 8.1 of the docs of version 0.1, word by word, but for the quote that was missing after `'my_field`.
EXTRA = """{% if user.is_authenticated and request.path == "/private/" %}
{% include "myapp/client.js" %}

{% endif %}
"""
CLIENT_JS = """var my_callbacks = {
"message": function(dataset) {
// the instantDebug variable is set via INSTANT_DEBUG = True in settings.py
if (instantDebug === true) { console.log('EVENT: '+JSON.stringify(dataset));};
res = unpack_data(dataset);
var message = res['message']
var event_class = res['event_class']
var message_label = res['message_label']
var data = res['data']
var channel = res['channel'];
if ( data.hasOwnProperty('my_field') ) {
my_field = data['myfield']

}
// do something with the data
console.log(message);

},
{% include "instant/js/join_events.js" %}

var subscription = centrifuge.subscribe("$mychannel", my_callbacks);
"""
CHECK = "request.user.is_authenticated:  # your checks come here"


@pytest.fixture
def private(site: Site, settings: Settings) -> Site:
    """A site with such a client, and the auth view of the docs, which lets Ann in."""
    settings.INSTANT_DEBUG = True
    blocks = snippets(ROOT / "docs/pages.md")
    (source,) = [block.text for block in blocks if "def mychan_auth_view" in block.text]
    assert CHECK in source
    names: dict[str, Any] = {"HttpRequest": HttpRequest}
    exec(source.replace(CHECK, "request.user.username == 'ann':"), names)
    VIEWS["auth"] = names["mychan_auth_view"]
    ASKED.clear()
    site.write_file("instant/extra_clients.js", EXTRA)
    site.write_file("myapp/client.js", CLIENT_JS)
    return site


def console(page: Page) -> list[str]:
    """A list to which comes what the console shows, and what is in the objects that it shows."""
    told: list[str] = []
    page.on("console", lambda entry: told.append(f"{entry.text} {[value.json_value() for value in entry.args]}"))
    return told


def line_of(page: Page, told: list[str], text: str) -> str:
    """Wait for the line of the console that starts so."""
    return wait_for(page, lambda: next((line for line in told if line.startswith(text)), ""), f"{text!r} in {told}")


def test_the_client_of_version_0_1(private: Site) -> None:
    page = private.browser("ann")
    told = console(page)
    requests, sockets = traffic(page)
    page.goto(f"{private.url}/private/")
    joined(page, "$mychannel")
    publish("$mychannel", "Hello", event_class="important", data={"my_field": 1})
    event = line_of(page, told, "EVENT: ")
    assert json.loads(re.sub(r"^EVENT: | \[.*$", "", event))["channel"] == "$mychannel"
    line_of(page, told, "Hello")
    line_of(page, told, "SUBSCRIBED: $mychannel")
    publish("news", "for the template")
    handled(page, "for the template")  # those of $mychannel are the client's
    assert page.evaluate("[res.message, res.event_class, res.data]") == ["Hello", "important", {"my_field": 1}]
    assert 'class="mq-label mq-important"' in page.evaluate("res.message_label")
    assert requests == ["/private/", "/static/instant/page.js", "/centrifuge/auth/"]
    assert len(sockets) == 1
    ((user, method, body),) = ASKED
    assert (user, method, body["channels"]) == ("ann", "POST", ["$mychannel"])
    assert re.fullmatch(r"[\w-]{30,}", body["client"])
    page.goto(f"{private.url}/index/")  # the template asks for the path
    joined(page)
    assert in_channels(page) == {"news", "$users"}
    assert len(ASKED) == 1


def test_a_refused_client_is_notified_and_keeps_the_rest(private: Site, errors: list[str]) -> None:
    page = private.browser("bob")
    told = console(page)
    page.goto(f"{private.url}/private/")
    joined(page)
    line = line_of(page, told, "ERROR: ")
    assert "/centrifuge/auth/ returned no token for it" in line
    publish("$mychannel", "not for bob"), publish("news", "for all")
    handled(page, "for all")
    assert in_channels(page) == {"news", "$users"}
    assert not any("not for bob" in line for line in told)
    assert len(ASKED) == 1
    assert all("$mychannel" in text for text in errors)
    errors.clear()


def test_our_own_auth_view_and_a_channel_that_comes_with_the_page(private: Site) -> None:
    """`$mychannel` is a row now, which Django lists: then nothing is asked. `$board` is listed on another path only."""
    VIEWS["auth"] = instant_auth
    Channel.objects.create(name="mychannel", level="users")
    Channel.objects.create(name="board", level="users", paths=["/elsewhere/"])
    more = "centrifuge.subscribe('$board', (dataset) => { window.board = unpack_data(dataset); });"
    private.write_file("myapp/client.js", CLIENT_JS + more)
    page = private.browser("bob")
    told = console(page)
    page.goto(f"{private.url}/private/")
    joined(page, "$mychannel", "$board")
    publish("$mychannel", "Hello"), publish("$board", "On the board")
    line_of(page, told, "Hello")
    until(page, "window.board")
    assert page.evaluate("[board.channel, board.message, board.data]") == ["$board", "On the board", {}]
    assert [(user, body["channels"]) for user, _, body in ASKED] == [("bob", ["$board"])]
    assert page.evaluate("window.calls") is None


def test_the_client_of_the_docs(private: Site) -> None:
    """The last template of docs/pages.md."""
    *_, clients = [block for block in snippets(ROOT / "docs/pages.md") if block.place == "template"]
    private.write_file("instant/extra_clients.js", clients.text)
    page = private.browser("ann")
    told = console(page)
    page.goto(f"{private.url}/private/")
    joined(page, "$mychannel")
    publish("$mychannel", "Hello", event_class="ok", data={"n": 1})
    line = line_of(page, told, "$mychannel Hello ok <span")
    assert "mq-label mq-ok" in line


def test_debug_shows_what_comes_and_no_token(private: Site, settings: Settings) -> None:
    """From credentials in the page, from get_token, from the auth view, and when they are renewed."""
    settings.INSTANT_TOKEN_TTL = settings.INSTANT_CHANNEL_TOKEN_TTL = 2
    private.write(page=f"{CLIENT}{{% load instant %}}{{% instant_stream 'news' %}}")
    page = private.browser("ann")
    told = console(page)
    requests, _ = traffic(page)
    page.goto(f"{private.url}/private/")
    joined(page, "$mychannel")
    wait_for(page, lambda: "/instant/get_token/" in requests, "renewed tokens")
    page.evaluate("instant.disconnect(), instant.connect()")
    joined(page, "$mychannel")
    publish("$users", "to the console", data={"n": 1})
    assert "to the console" in line_of(page, told, "instant: received a message in $users")
    handled(page, "to the console")
    everything = "".join(told)
    assert "joined $mychannel" in everything
    assert "eyJ" not in everything
    assert len(ASKED) > 1
