"""page.js in a real browser, in pages that hold what `instant/client.html` renders: handlers, live HTML, htmx."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer as DjangoServer

from instant import protocol, publish
from instant.access import client_credentials
from instant.access.tokens import channel_token
from instant.centrifugo.history_positions import positions
from instant.centrifugo.http import post
from instant.conf import conf
from instant.models import Channel
from instant.testing import LiveServer
from tests.browser import pages
from tests.browser.live_site import until, wait_for
from tests.browser.pages import PAGES
from tests.tcp_proxies import Cable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.test_page_script")]

NewPage = Callable[[], Page]
ROOT = Path(__file__).parents[2]
HTMX = {version: ROOT / "frontend/node_modules" / version / "dist/htmx.js" for version in ("htmx.org", "htmx2")}
#: What the auth view of these tests is asked, and how often each page is loaded.
ASKED: list[Any] = []
LOADED: list[str] = []


@csrf_exempt
def auth(request: HttpRequest) -> HttpResponse:
    """A custom auth view, as in section 8.2 of the docs of version 0.1."""
    data = json.loads(request.body)
    ASKED.append([data, request.headers["X-Requested-With"]])
    user = User.objects.get(username="ann")
    return JsonResponse(
        {name: {"sign": channel_token(name, user)} if name == "$own" else {"status": 403} for name in data["channels"]}
    )


def counted(request: HttpRequest, name: str) -> HttpResponse:
    LOADED.append(request.headers.get(protocol.REFRESH_HEADER, ""))
    return pages.page(request, name)


def moved(request: HttpRequest) -> HttpResponse:
    """A page that has become one for logging in, once it was loaded."""
    LOADED.append(request.headers.get(protocol.REFRESH_HEADER, ""))
    return pages.page(request, "live") if len(LOADED) == 1 else redirect("/pages/login")


def strict(request: HttpRequest) -> HttpResponse:
    response = pages.page(request, "live")
    response["Content-Security-Policy"] = (
        "default-src 'self'; script-src 'self' 'nonce-abc'; connect-src 'self' ws:; style-src 'self'; img-src data:"
    )
    return response


urlpatterns = [
    path("strict/", strict),
    path("centrifuge/auth/", auth),
    path("counted/<str:name>", counted),
    path("moved/", moved),
    *pages.urlpatterns,
]


@pytest.fixture
def ann(browser: object, server: LiveServer, settings) -> User:
    PAGES.clear(), ASKED.clear(), LOADED.clear()
    settings.INSTANT_REVOCATION = settings.DEBUG = False
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="users", level="users")
    return User.objects.create_superuser("ann", password="secret")


def script_json(value: object) -> str:
    return json.dumps(value).replace("<", "\\u003C").replace("{{", "{ {")


def rendered(ann: User, body: str = "", scripts: str = "", *, tokens: object = ..., **facts: object) -> str:
    """What the tag renders, in the head, with tokens as the middleware fills them in."""
    if tokens is ...:
        tokens = client_credentials.credentials(ann)
    page = {"prefix": "/instant/", "path": "/pages/live", "user": str(ann.pk), "debug": False, "site": "site"}
    return f"""<!doctype html><link rel="icon" href="data:,"><title>live</title>
        <script>const calls = [], note = (name) => function () {{ calls.push([name, ...arguments]); }};</script>
        <script id="instant-page" type="application/json">{script_json({**page, "auth_url": None, **facts})}</script>
        <script type="application/json" id="instant-credentials">{script_json(tokens)}</script>
        {{% load static %}}<script src="{{% static 'instant/page.js' %}}"></script>
        <script>{scripts}</script>
        <script>instant.page.handler(null, note("default"));</script>
        <script>instant.page.event("connect", (context) => calls.push(["connect", typeof context.client]));</script>
        <script>instant.page.event("disconnect", note("disconnect"));</script>
        <script>instant.page.start();</script>
        <body>{body}</body>"""


@pytest.fixture
def live(ann: User, live_server: DjangoServer, new_page: NewPage) -> Callable[..., Page]:
    """live(body, …): the page, connected."""

    def make(body: str = "", scripts: str = "", *, at: str = "pages/live", connects: bool = True, **facts: Any) -> Page:
        PAGES["live"] = rendered(ann, body, scripts, **facts)
        page = new_page()
        page.goto(f"{live_server.url}/{at}")
        if connects:
            joined(page)
        return page

    return make


def log_in(page: Page, site: DjangoServer) -> Page:
    page.goto(f"{site.url}/admin/login/")
    page.fill("#id_username", "ann")
    page.fill("#id_password", "secret")
    page.click("[type=submit]")
    return page


def joined(page: Page) -> None:
    page.wait_for_selector("html[data-instant-state=connected]")
    until(page, "Object.values(instant.client.subscriptions()).every((one) => one.state == 'subscribed')")


def calls(page: Page, name: str, count: int) -> list[Any]:
    """Wait for so many calls; then there are no more."""
    until(page, "([name, n]) => calls.filter((call) => call[0] == name).length >= n", [name, count])
    found = [call[1:] for call in page.evaluate("calls") if call[0] == name]
    assert len(found) == count
    return found


def stream(action: str, target: str | None = None, html: str | None = None, channel: str = "news") -> None:
    publish(channel, data={"action": action, "target": target, "html": html}, event_class=protocol.STREAM)


# Handlers and events


def test_handlers_get_seven_variables_and_no_request_is_made(live: Callable[..., Page]) -> None:
    requests: list[str] = []
    page = live(scripts='instant.page.handler("$users", note("users"));')
    page.on("request", lambda request: requests.append(request.url))
    publish("$users", "Hello", event_class="info", data={"n": 1})
    publish("news", "to all")
    ((event_class, channel, message, data, site, uid, timestamp),) = calls(page, "users", 1)
    assert (event_class, channel, message, data, site) == ("info", "$users", "Hello", {"n": 1}, conf.SITE_NAME)
    assert uid
    assert timestamp.startswith("20")
    ((event_class, channel, message, data, *_),) = calls(page, "default", 1)
    assert (event_class, channel, message, data) == ("", "news", "to all", {})
    assert page.evaluate("performance.getEntriesByType('resource').map(({name}) => name)") == [
        f"{page.url.partition('/pages')[0]}/static/instant/page.js"
    ]
    assert requests == []
    assert calls(page, "connect", 1) == [["string"]]


def test_a_handler_that_throws_stops_nobody_else(live: Callable[..., Page], errors: list[str]) -> None:
    page = live(
        scripts="""instant.page.handler("$users", () => { throw new Error("on purpose"); });
            document.addEventListener("instant:state", (event) => calls.push(["state", event.detail.state]));
            instant.on("$users", note("on"));"""
    )
    publish("$users", "one")
    calls(page, "on", 1)
    publish("news", "two")
    calls(page, "default", 1)
    assert ["instant: the handler of $users threw" in text for text in errors] == [True]
    assert "on purpose" in errors[0]
    errors.clear()
    assert [state for _, state in page.evaluate("calls.filter((call) => call[0] == 'state')")][-2:] == [
        "connecting",
        "connected",
    ]


def test_two_includes_connect_once(live: Callable[..., Page], ann: User) -> None:
    script = "{% load static %}<script src=\"{% static 'instant/page.js' %}\"></script>"
    again = 'instant.page.handler("news", note("news")); instant.page.event("connect", note("again"));'
    page = live(f"{script}<script>{again} instant.page.start();</script>", scripts="window.first = instant;")
    assert page.evaluate("instant === first")
    publish("news", "one")
    calls(page, "news", 1)
    assert page.evaluate("calls.filter(([name]) => name == 'again' || name == 'connect').length") == 1


def test_without_tokens_they_are_asked_for_once(
    ann: User, live_server: DjangoServer, new_page: NewPage, errors: list[str]
) -> None:
    PAGES["live"] = rendered(ann, tokens={})
    page = log_in(new_page(), live_server)
    asked: list[Any] = []
    page.on("request", lambda request: "get_token" in request.url and asked.append(request.post_data_json))
    page.goto(f"{live_server.url}/pages/live")
    joined(page)
    assert asked == [{"path": "/pages/live"}]
    # Back from the cache as the same user, who then logs out elsewhere.
    page.evaluate("window.same = true; dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    until(page, "performance.getEntriesByType('resource').filter((e) => /get_token/.test(e.name)).length == 2")
    publish("news", "still the same page")
    calls(page, "default", 1)
    assert page.evaluate("window.same")
    page.context.clear_cookies()
    with page.expect_navigation():
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    wait_for(page, lambda: len(errors) == 2, f"two 403s in {errors}")  # nobody is logged in: before and after it
    errors.clear()


@pytest.mark.parametrize("facts", [{"tokens": None}, {"user": None}])
def test_who_may_not_connect_makes_no_request(live: Callable[..., Page], facts: dict[str, Any]) -> None:
    page = live('<template data-instant-stream="news"></template>', connects=False, **facts)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.dataset.instantState") == "disconnected"
    assert page.evaluate("performance.getEntriesByType('resource').length") == 1
    assert page.evaluate("instant.client") is None


def test_missing_elements_are_reported(
    ann: User, live_server: DjangoServer, new_page: NewPage, errors: list[str]
) -> None:
    PAGES[
        "bare"
    ] = """<link rel="icon" href="data:,"><script type="application/json" id="instant-credentials">{</script>
        {% load static %}<script src="{% static 'instant/page.js' %}"></script><script>instant.page.start();</script>"""
    page = new_page()
    page.goto(f"{live_server.url}/pages/bare")
    assert [text.split(":")[1].strip() for text in errors] == [
        "the page has no element #instant-page",
        "the element #instant-credentials does not contain valid JSON",
    ]
    assert all("{% instant_client %}" in text for text in errors)
    errors.clear()


def test_what_came_between_the_query_and_the_socket_is_handled_once(
    ann: User, live_server: DjangoServer, new_page: NewPage
) -> None:
    publish("news", "old")
    before = positions(["news", "$users"])
    publish("news", "between")
    tokens = client_credentials.credentials(ann)
    tokens["channels"] = [channel for channel in tokens["channels"] if channel["name"] in before]
    for channel in tokens["channels"]:
        position = before[channel["name"]]
        channel["position"] = {"offset": position.offset, "epoch": position.epoch}  # type: ignore[typeddict-unknown-key]
    PAGES["live"] = rendered(ann, tokens=tokens)
    publish("$users", "rendered")
    page = new_page()
    page.goto(f"{live_server.url}/pages/live")
    joined(page)
    publish("news", "after")
    assert sorted(call[2] for call in calls(page, "default", 3)) == ["after", "between", "rendered"]


def test_a_position_that_is_gone_is_reported(ann: User, live_server: DjangoServer, new_page: NewPage) -> None:
    tokens = client_credentials.credentials(ann)
    tokens["channels"][0]["position"] = {"offset": 3, "epoch": "gone"}  # type: ignore[typeddict-unknown-key]
    missed = "document.addEventListener('instant:missed', (event) => calls.push(['missed', event.detail.channel]));"
    PAGES["live"] = rendered(ann, scripts=missed, tokens=tokens)
    page = new_page()
    page.goto(f"{live_server.url}/pages/live")
    assert calls(page, "missed", 1) == [[tokens["channels"][0]["name"]]]


def test_the_end_of_the_session_shows(
    live: Callable[..., Page], ann: User, server: LiveServer, errors: list[str]
) -> None:
    page = live()
    end = {"code": protocol.REVOKED_CODE, "reason": protocol.REVOKED_REASON}
    post("disconnect", json.dumps({"user": str(ann.pk), "disconnect": end}).encode(), 5)
    page.wait_for_selector("html[data-instant-state=disconnected]")
    assert calls(page, "disconnect", 1) == [[protocol.REVOKED_CODE, protocol.REVOKED_REASON]]
    errors.clear()  # the 403 of get_token: this browser has no session


def test_debug_shows_what_comes_and_no_token(live: Callable[..., Page], new_page: NewPage) -> None:
    page = live(debug=True)
    told: list[str] = []
    page.on("console", lambda entry: told.append(f"{entry.text} {[value.json_value() for value in entry.args]}"))
    publish("news", "to the console")
    calls(page, "default", 1)
    page.reload()
    joined(page)
    assert any("received a message in news" in line and "to the console" in line for line in told)
    assert any("joined news" in line for line in told)
    assert "eyJ" not in "".join(told)


def test_what_the_tag_renders(ann: User, live_server: DjangoServer, new_page: NewPage) -> None:
    PAGES["tag"] = """<!doctype html><link rel="icon" href="data:,"><script>const calls = [];</script>
        {% include "instant/client.html" %}{% include "instant/client.html" %}
        <script>instant.page.handler("news", (...seven) => calls.push(["news", ...seven]));</script>"""
    page = log_in(new_page(), live_server)
    page.goto(f"{live_server.url}/pages/tag")
    joined(page)
    publish("news", "Hello", event_class="object created")
    ((event_class, channel, message, data, *_),) = calls(page, "news", 1)
    assert (event_class, channel, message, data) == ("object created", "news", "Hello", {})
    assert page.evaluate("instant.page.label('object created')") == (
        '<span class="mq-label mq-created"><i class="fa fa-plus"></i> object created</span>'
    )


# Version 0.1


LABELS = """instant.page.labels(function () {
    var label_classes = {"default": "mq-label mq-default", "info": "mq-label mq-info"};
    var label_icons = {"default": "<i class=\\"fa fa-flash\\"></i>", "info": "<i class=\\"fa fa-info-circle\\"></i>"};
    return {classes: label_classes, icons: label_icons};
});"""
CLIENT = """instant.page.client(function (centrifuge, unpack_data, instantDebug) {
    calls.push(["debug", instantDebug, typeof centrifuge.newSubscription]);
    for (const name of ["$own", "$users", "$refused"]) centrifuge.subscribe(name, {
        message: (dataset) => calls.push(["message", dataset.channel, unpack_data(dataset)]),
        subscribe: (context) => calls.push(["subscribe", context.channel]),
        error: (context) => calls.push(["error", context.channel, context.error]),
    });
});"""


def test_a_custom_client_and_its_auth_view(live: Callable[..., Page], errors: list[str]) -> None:
    page = live(scripts=LABELS + CLIENT, auth_url="/centrifuge/auth/", connects=False)
    assert sorted(calls(page, "subscribe", 2)) == [["$own"], ["$users"]]
    ((channel, reason),) = calls(page, "error", 1)
    assert channel == "$refused"
    assert "/centrifuge/auth/ returned no token for it" in reason
    publish("$own", "Hello", event_class="info")
    publish("$users", "all", data=[1], event_class="<b>")
    found = dict(calls(page, "message", 2))
    own = found["$own"]
    assert own.pop("uid")
    assert own.pop("timestamp")
    assert own == {
        "channel": "$own",
        "message": "Hello",
        "event_class": "info",
        "message_label": '<span class="mq-label mq-info"><i class="fa fa-info-circle"></i> info</span>',
        "data": {},
        "site": conf.SITE_NAME,
    }
    assert found["$users"]["data"] == [1]
    assert found["$users"]["message_label"] == (
        '<span class="mq-label mq-default"><i class="fa fa-flash"></i> &lt;b&gt;</span>'
    )
    assert calls(page, "debug", 1) == [[False, "function"]]
    assert not page.evaluate("calls.some(([name]) => name == 'default')")  # it has callbacks
    assert sorted(data["channels"] for data, _ in ASKED) == [["$own"], ["$refused"]]
    assert all(data["client"] and requested == "XMLHttpRequest" for data, requested in ASKED)
    errors.clear()  # told of $refused


def test_unpack_data_takes_what_it_is_given(live: Callable[..., Page]) -> None:
    page = live(scripts=LABELS)
    payload = {"channel": "c", "site": "s", "message": "m", "event_class": "info", "data": {"n": 1}, "uid": "u"}
    for dataset in (payload, {"channel": "c", "data": payload}, {"channel": "c", "data": json.dumps(payload)}):
        unpacked = page.evaluate("(dataset) => instant.page.unpack_data(dataset)", dataset)
        assert (unpacked["channel"], unpacked["message"], unpacked["data"], unpacked["uid"]) == (
            "c",
            "m",
            {"n": 1},
            "u",
        )
    assert page.evaluate("instant.page.unpack_data(null).data") == {}
    assert "constructor</span>" in page.evaluate("instant.page.label('constructor')")


# Live HTML


BODY = """<div id="box" data-keep="1"><p id="one">one</p><input id="field" value="first"><p id="two">two</p></div>
    <div id="scroller"><p>tall</p></div>
    <style>#scroller { height: 50px; overflow: auto } #scroller p { height: 500px }
    body { min-height: 3000px }</style>"""


@pytest.mark.parametrize(
    ("action", "target", "html", "order"),
    [
        ("append", "#box", "<p id=new>new</p>", "one field two new"),
        ("prepend", "#box", "<p id=new>new</p>", "new one field two"),
        ("before", "#two", "<p id=new>new</p>", "one field new two"),
        ("after", "#one", "<p id=new>new</p>", "one new field two"),
        ("replace", "#one", "<p id=new>new</p>", "new field two"),
        ("update", "#box", "<p id=new>new</p><p id=two></p>", "new two"),
        ("remove", "#one, #two", None, "field"),
        ("append", "#box", "<p id=one>again</p><p id=new>new</p>", "one field two new"),
    ],
)
def test_actions(live: Callable[..., Page], action: str, target: str, html: str | None, order: str) -> None:
    page = live(BODY)
    stream(action, target, html)
    stream("append", "body", "<i id=done></i>")
    page.wait_for_selector("#done", state="attached")
    assert page.evaluate("[...box.children].map(({id}) => id).join(' ')") == order
    if "again" in (html or ""):
        expect(page.locator("#one")).to_have_text("again")
    assert not page.evaluate("calls.some(([name]) => name == 'default')")


def test_what_the_user_does_stays(live: Callable[..., Page]) -> None:
    body = """<div id="box"><p>one</p><form><input id="typed" value="a"><input name="focused" value="b">
        <input type="checkbox" name="check"><select name="choice"><option>1<option>2</select>
        <textarea id="text">t</textarea>
        <details><summary>more</summary>text</details><input id="untouched" value="old"></form>
        <div id="scroller"><p>tall</p></div></div>"""
    page = live(body + BODY.partition("</div>\n    <div")[2].partition("</div>")[2])
    page.fill("#typed", "typed"), page.fill("#text", "written"), page.check("[name=check]")
    page.select_option("[name=choice]", "2"), page.click("summary"), page.fill("[name=focused]", "in the middle")
    page.evaluate(
        "document.querySelector('[name=focused]').setSelectionRange(3, 6); scroller.scrollTop = 100; scrollTo(0, 80)"
    )
    fresh = body.replace("<p>one", "<h2>head</h2><p>two").replace('value="old"', 'value="new"')
    stream(
        "replace", "#box", fresh + "<script>calls.push(['ran'])</script><svg><script>calls.push(['ran'])</script></svg>"
    )
    page.wait_for_selector("#box h2")
    assert page.evaluate("""[typed.value, document.activeElement.name, document.activeElement.value,
        document.activeElement.selectionStart, document.activeElement.selectionEnd, text.value,
        document.querySelector('[name=check]').checked, document.querySelector('[name=choice]').value,
        document.querySelector('details').open, untouched.value, scroller.scrollTop, scrollY]""") == [
        "typed", "focused", "in the middle", 3, 6, "written", True, "2", True, "new", 100, 80,
    ]  # fmt: skip
    assert page.evaluate("document.querySelectorAll('body script').length") == 0
    stream(
        "append", "#box", "<script>calls.push(['ran'])</script><template><script></script></template><i id=done></i>"
    )
    page.wait_for_selector("#done", state="attached")
    assert not page.evaluate("calls.some(([name]) => name == 'ran')")
    assert page.evaluate("document.querySelector('template').innerHTML") == ""


def test_what_is_wrong_is_reported(live: Callable[..., Page], errors: list[str]) -> None:
    page = live(BODY)
    stream("append", "#box[", "x"), stream("explode", "#box"), stream("append", None, "x"), stream("refresh", "[")
    stream("append", "#nowhere", "x"), stream("append", "#box", "<i id=done></i>")
    page.wait_for_selector("#done", state="attached")
    assert len(errors) == 4
    assert all("live HTML cannot be applied" in text for text in errors)
    errors.clear()


def test_refresh(live: Callable[..., Page], ann: User) -> None:
    page = live(
        BODY + "<script>calls.push(['ran'])</script><div id=kept data-instant-keep></div>", at="counted/live#part"
    )
    page.fill("#field", "typed")
    page.evaluate("kept.textContent = 'by a script'")
    PAGES["live"] = rendered(ann, BODY.replace("one</p>", "ONE</p>").replace("two</p>", "TWO</p><b>more</b>"))
    stream("refresh", "#one"), stream("refresh", "#two"), stream("refresh", "#one")
    expect(page.locator("#one")).to_have_text("ONE")
    expect(page.locator("#two")).to_have_text("TWO")
    assert page.locator("#box b").count() == 0
    assert LOADED == ["", "1"]
    stream("refresh")
    expect(page.locator("#box b")).to_have_text("more")
    assert page.evaluate("[field.value, document.activeElement.id, kept.textContent]") == [
        "typed",
        "field",
        "by a script",
    ]
    calls(page, "ran", 1)
    publish("news", "still live")
    calls(page, "default", 1)


def test_a_refresh_that_ends_elsewhere_goes_there(live: Callable[..., Page]) -> None:
    page = live(BODY, at="moved/")
    PAGES["login"] = "<link rel='icon' href='data:,'><p id='login'>log in</p>"
    stream("refresh", "#one")
    page.wait_for_selector("#login")
    assert page.url.endswith("/pages/login")
    assert LOADED == ["", "1", ""]


def test_channels_of_the_page_are_joined(
    ann: User, live_server: DjangoServer, new_page: NewPage, server: LiveServer
) -> None:
    """Those with tokens without a request, and what is swapped in later with one for all."""
    Channel.objects.create(name="late", level="users")
    Channel.objects.create(name="later", level="users")
    tokens = client_credentials.credentials(ann)
    tokens["channels"] = [entry for entry in tokens["channels"] if entry["name"] == "$late"]
    PAGES["live"] = rendered(ann, '<template data-instant-stream="$late"></template><p id="box"></p>', tokens=tokens)
    page = log_in(new_page(), live_server)
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request.post_data_json) if "get_token" in request.url else None)
    page.goto(f"{live_server.url}/pages/live")
    joined(page)
    assert asked == []
    more = "".join(f'<template data-instant-stream="{name}"></template>' for name in ("news", "$later", "news"))
    stream("append", "#box", more, channel="$late")
    until(page, "Object.keys(instant.client.subscriptions()).length == 3")
    joined(page)
    stream("update", "#box", "<b>done</b>", channel="$later")
    expect(page.locator("#box b")).to_have_text("done")
    assert [each["channels"] for each in asked] == [["news", "$later"]]
    more = '<template data-instant-stream="$users"></template>'
    page.evaluate(
        "(html) => { box.innerHTML = html; box.dispatchEvent(new Event('htmx:afterSwap', {bubbles: true})); }", more
    )
    until(page, "Object.keys(instant.client.subscriptions()).length == 4")
    joined(page)


def test_a_lost_connection_shows_and_comes_back(
    ann: User, server: LiveServer, live: Callable[..., Page], settings, errors: list[str]
) -> None:
    with Cable(server.port) as cable:
        settings.INSTANT_WEBSOCKET_URL = f"ws://127.0.0.1:{cable.port}"
        page = live()
        cable.cut()
        page.wait_for_selector("html[data-instant-state=connecting]")
        ((code, reason),) = calls(page, "disconnect", 1)
        assert (code, reason) == (1, "transport closed")
        publish("news", "missed")
        cable.mend()
        ((_, _, message, *_),) = calls(page, "default", 1)
        assert message == "missed"
        calls(page, "connect", 2)
        page.evaluate("instant.disconnect()")
    errors.clear()  # the browser reports each attempt that failed


def test_a_strict_policy(ann: User, live_server: DjangoServer, new_page: NewPage, server: LiveServer) -> None:
    """With a nonce for inline scripts and nothing else, all of it works."""
    PAGES["live"] = rendered(ann, "<p id=box><b>old</b></p>", LABELS).replace("<script>", "<script nonce=abc>")
    page = new_page()
    page.goto(f"{live_server.url}/strict/")
    joined(page)
    stream("update", "#box", "<b>new</b><input>")
    expect(page.locator("#box b")).to_have_text("new")
    stream("refresh", "#box")
    expect(page.locator("#box b")).to_have_text("old")
    publish("news", "one")
    calls(page, "default", 1)


# htmx


@pytest.mark.parametrize("version", HTMX)
def test_htmx(live: Callable[..., Page], live_server: DjangoServer, new_page: NewPage, ann: User, version: str) -> None:
    if not HTMX[version].exists():
        pytest.skip("htmx: npm ci was not run in frontend/")
    PAGES["fragment"] = '<b class="got">got</b><template data-instant-stream="$users"></template>'
    body = """<script src="/htmx.js"></script><div id="box"></div>
        <p id="reacts" hx-get="/pages/fragment" hx-trigger="click, instant:object-created[detail.data.n > 1]"></p>
        <p id="body" hx-get="/pages/fragment" hx-trigger="instant:object-created from:body"></p>
        <p id="other" data-hx-get="/pages/fragment" data-hx-trigger="instant:other"></p>"""
    tokens = client_credentials.credentials(ann)
    PAGES["live"] = rendered(ann, body, tokens=tokens)
    page = new_page()
    page.route("**/htmx.js", lambda route: route.fulfill(path=HTMX[version], content_type="text/javascript"))
    page.goto(f"{live_server.url}/pages/live")
    joined(page)
    stream("append", "#box", '<button id="put" hx-get="/pages/fragment">put</button>')
    page.click("#put")
    expect(page.locator("#put b")).to_have_text("got")
    stream("replace", "#put", '<button id="put" hx-get="/pages/fragment">new</button>')
    expect(page.locator("#put")).to_have_text("new")
    page.click("#put")
    expect(page.locator("#put b")).to_have_count(1)
    publish("news", event_class="object created", data={"n": 1})
    expect(page.locator("#body b")).to_have_count(1)
    assert page.locator("#reacts b").count() == 0
    publish("news", event_class="object created", data={"n": 2})
    expect(page.locator("#reacts b")).to_have_count(1)
    assert page.locator("#other b").count() == 0
