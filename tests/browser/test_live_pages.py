"""Pages with nothing but the include, in a real browser: handlers, paths, events, tabs, nights."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from instant import protocol, publish
from instant.conf import conf
from instant.models import Channel
from instant.testing import LiveServer
from tests.browser import live_site
from tests.browser.live_site import CLIENT, KEEPS, MIDDLEWARE, Site, calls, handled, in_channels, joined, traffic, until
from tests.tcp_proxies import Cable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.live_site")]
django, site = live_site.django, live_site.site  # fixtures


def test_a_page_with_nothing_but_the_include(site: Site, server: LiveServer) -> None:
    Channel.objects.create(name="chat:room/1", level="users")
    own = "(window.own = window.own || []).push(['{{ request.path }}', '{{ users.0 }}', ...arguments]); // the end"
    site.write_scripts({"handlers/$users": own, "handlers/$chat%3Aroom%2F1": own})
    page = site.browser("ann")
    requests, sockets = traffic(page)
    page.goto(f"{site.url}/index/")
    joined(page, "$users", "news", "$chat:room/1")
    assert page.inner_text("body") == ""
    publish("$users", "Hello", event_class="important", data={"n": [1, None]})
    publish("$chat:room/1", "in a room")
    publish("news", "for all")
    ((event_class, channel, message, data, sender, uid, timestamp),) = calls(page, 1)
    assert (event_class, channel, message, data, sender) == ("", "news", "for all", {}, conf.SITE_NAME)
    until(page, "own.length == 2")
    ((*context, event_class, channel, message, data, sender, uid, timestamp), in_room) = sorted(
        page.evaluate("own"), key=lambda call: call[3], reverse=True
    )
    assert context == ["/index/", "ann"]
    assert (event_class, channel, message, data) == ("important", "$users", "Hello", {"n": [1, None]})
    assert sender == conf.SITE_NAME
    assert uid
    assert timestamp.startswith("20")
    assert in_room[3:5] == ["$chat:room/1", "in a room"]
    assert requests == ["/index/", "/static/instant/page.js"]
    assert len(sockets) == 1
    assert str(server.port) in sockets[0]


def test_without_the_middleware_the_page_asks_for_its_tokens(site: Site, settings: Settings) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    settings.INSTANT_USERS_CHANNELS = [["$here", ["/index/"]], ["$there", ["/there/"]]]
    page = site.browser("ann")
    requests, _ = traffic(page)
    page.goto(f"{site.url}/index/")
    joined(page)
    assert in_channels(page) == {"news", "$users", "$here"}
    publish("$here", "one")
    handled(page, "one")
    assert requests == ["/index/", "/static/instant/page.js", "/instant/get_token/"]


def test_visitors(site: Site, settings: Settings) -> None:
    page = site.browser()
    requests, sockets = traffic(page)
    page.goto(f"{site.url}/index/")
    page.wait_for_selector("html[data-instant-state=disconnected]", state="attached")
    settings.INSTANT_ALLOW_ANONYMOUS = True
    page.reload()
    joined(page)
    assert in_channels(page) == {"news"}
    publish("$users", "not for visitors"), publish("news", "for all")
    handled(page, "for all")
    assert requests == ["/index/", "/static/instant/page.js"] * 2
    assert len(sockets) == 1


def test_channels_with_paths_are_joined_there(site: Site, settings: Settings) -> None:
    settings.INSTANT_USERS_CHANNELS = [["$desk", ["/desk/", "/orders/*"]], ["$all"]]
    settings.INSTANT_STAFF_CHANNELS = [["$back", ["/desk/"]]]
    settings.INSTANT_SUPERUSER_CHANNELS = [["$ops", ["/ops/"]]]
    settings.INSTANT_PUBLIC_CHANNELS = [["headlines", ["/", "/desk/"]]]
    Channel.objects.create(name="board", level="users", paths=["/board/", "/games/*"])
    page = site.open("ann", "index/")
    everywhere = {"$all", "$users", "news"}
    assert in_channels(page) == everywhere
    publish("$desk", "not here"), publish("$all", "here")
    handled(page, "here")
    for path, more in (
        ("desk/", {"$desk", "$back", "headlines"}),
        ("desk/more/", set()),
        ("orders/", {"$desk"}),
        ("orders/1/", {"$desk"}),
        ("ordersome/", set()),
        ("board/", {"$board"}),
        ("games/1/2/", {"$board"}),
        ("ops/", {"$ops"}),
    ):
        page.goto(f"{site.url}/{path}")
        joined(page)
        assert in_channels(page) == everywhere | more, path
    assert in_channels(site.open("bob", "desk/")) == everywhere | {"$desk", "headlines"}


STATE = """<!doctype html><p id="state"></p><p id="connections">0</p>{% include "instant/client.html" %}"""
EVENTS = {
    "events/connect": "state.textContent = 'as ' + context.client; connections.textContent++; // {{ request.user }}",
    "events/disconnect": "state.textContent = code + ': ' + reason; //",
}


def test_a_connection_that_is_lost_and_comes_back(
    site: Site, server: LiveServer, settings: Settings, errors: list[str]
) -> None:
    site.write(page=STATE)
    site.write_scripts(EVENTS)
    with Cable(server.port) as cable:
        settings.INSTANT_WEBSOCKET_URL = f"ws://127.0.0.1:{cable.port}"
        page = site.open()
        expect(page.locator("#state")).to_contain_text("as ")
        cable.cut()
        page.wait_for_selector("html[data-instant-state=connecting]")
        expect(page.locator("#state")).to_have_text("1: transport closed")
        publish("news", "meanwhile")
        cable.mend()
        joined(page)
        expect(page.locator("#state")).to_contain_text("as ")
        expect(page.locator("#connections")).to_have_text("2")
        handled(page, "meanwhile")
        page.close()
    errors.clear()  # the browser reports each attempt that failed


def test_logging_out_in_another_tab_shows(site: Site, errors: list[str]) -> None:
    site.write(page=STATE)
    site.write_scripts(EVENTS)
    page, elsewhere = site.open(), site.open()
    other = page.context.new_page()
    other.goto(f"{site.url}/admin/")
    other.click("text=Log out")
    page.wait_for_selector("html[data-instant-state=disconnected]")
    expect(page.locator("#state")).to_have_text(f"{protocol.REVOKED_CODE}: {protocol.REVOKED_REASON}")
    expect(page.locator("#connections")).to_have_text("1")
    joined(elsewhere)  # another browser, where the user is logged in still
    publish("$users", "still here")
    handled(elsewhere, "still here")
    assert page.evaluate("window.calls") is None
    errors.clear()  # the 403 of get_token


def test_each_tab_lives_by_itself(site: Site) -> None:
    first = site.open()
    second = first.context.new_page()
    second.goto(f"{site.url}/index/")
    joined(second)
    publish("$users", "one")
    handled(first, "one"), handled(second, "one")
    first.close()
    publish("$users", "two")
    handled(second, "one", "two")


TWICE = f"""{{% load cache instant %}}{STATE}{{% instant_client %}}{CLIENT}
    {{% cache 600 "twin" %}}{CLIENT}{{% endcache %}}"""
CACHED_FIRST = f"""{{% load cache %}}<!doctype html><p id="state"></p><p id="connections">0</p>
    {{% cache 600 "twin" %}}{CLIENT}{{% endcache %}}{CLIENT}"""


@pytest.mark.parametrize(("template", "engines"), [(TWICE, 1), (CACHED_FIRST, 2)], ids=["tags", "cached twin"])
def test_two_includes_connect_once(site: Site, template: str, engines: int) -> None:
    """A fragment from a cache does not know of the tag beside it: then the scripts are there twice."""
    site.write(page=template)
    site.write_scripts({**EVENTS, "handlers/$users": KEEPS})
    page = site.open()
    sockets = traffic(page)[1]
    page.reload()
    joined(page)
    assert page.locator("script[src$='instant/page.js']").count() == engines
    publish("$users", "one"), publish("$users", "two")
    handled(page, "one", "two")
    expect(page.locator("#connections")).to_have_text("1")
    assert len(sockets) == 1


def pass_time(page: Page, seconds: float) -> None:
    """Real time: how long tokens live is what these tests are about."""
    page.wait_for_timeout(seconds * 1000)


def test_a_page_that_was_left_open_overnight(
    site: Site, server: LiveServer, settings: Settings, errors: list[str]
) -> None:
    settings.INSTANT_TOKEN_TTL = settings.INSTANT_CHANNEL_TOKEN_TTL = 2
    with Cable(server.port) as cable:
        settings.INSTANT_WEBSOCKET_URL = f"ws://127.0.0.1:{cable.port}"
        page = site.browser("ann")
        requests, sockets = traffic(page)
        page.goto(f"{site.url}/index/")
        joined(page)
        pass_time(page, 6.5)
        joined(page)
        publish("$users", "in the morning")
        handled(page, "in the morning")
        assert requests.count("/instant/get_token/") >= 2
        assert len(sockets) == 1
        cable.cut()  # the computer sleeps, until no token is good any more
        page.wait_for_selector("html[data-instant-state=connecting]", state="attached")
        pass_time(page, 3)
        publish("$users", "while it slept")
        cable.mend()
        joined(page)
        handled(page, "in the morning", "while it slept")
        page.close()
    errors.clear()  # the browser reports each attempt that failed
