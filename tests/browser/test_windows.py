"""Signals from end to end: a real Django with real signals, both servers, real browsers."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as render_page
from django.urls import path
from django.utils.html import format_html
from playwright.sync_api import expect
from pytest_django import Settings

from instant import publish
from instant.access.guards import everyone, is_authenticated
from instant.centrifugo import cent_api
from instant.centrifugo.config import render
from instant.exceptions import Deny
from instant.testing import LiveServer
from instant.windows import registry
from instant.windows.django_messages import deliver_messages
from instant.windows.forms import SerializedForm
from instant.windows.registry import signal
from instant.windows.targets import BROADCAST, SERVER, USER, WINDOW
from instant.windows.topics import channel_of, set_websocket_topics
from instant.windows.triggering import trigger
from instant.windows.window_info import WindowInfo
from tests.browser import live_site, windows_site
from tests.browser.live_site import Site, joined, until
from tests.browser.windows_site import MARKED, call, marks
from tests.tcp_proxies import Cable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
django, site, namespaces = live_site.django, live_site.site, windows_site.namespaces  # fixtures

#: What the functions in Python were called with.
RAN: list[Any] = []


class TitleForm(forms.Form):
    title = forms.CharField()


def page(request: HttpRequest, name: str) -> HttpResponse:
    """A page with the topics that its address names; it greets its own window before that is there."""
    group = Group.objects.get()
    topics: dict[str, Any] = {"obj": group, "model": Group, "text": "text", "number": 42}
    set_websocket_topics(request, [topics[topic] for topic in request.GET.getlist("topic")])
    trigger(request, "app.mark", to=[WINDOW], target="greeting")
    return render_page(request, f"{name}.html")


def collect(request: HttpRequest) -> HttpResponse:
    """What a script of the page asks for."""
    if "none" not in request.GET:
        messages.success(request, f"Hello <{request.user}>")
        messages.info(request, format_html("<b>{}</b>", "bold"), extra_tags="big")
    return HttpResponse(str(deliver_messages(request)))


urlpatterns = [path("windows/<str:name>/", page), path("collect/", collect), *live_site.urlpatterns]


def connect_signals() -> None:
    @signal("app.send", is_allowed_to=is_authenticated)
    def send(window_info: Any, targets: list[str]) -> int:
        named = {"WINDOW": WINDOW, "USER": USER, "BROADCAST": BROADCAST, "obj": Group.objects.get()}
        named |= {"model": Group, "text": "text", "number": 42}
        trigger(window_info, "app.mark", to=[named[target] for target in targets], target="+".join(targets))
        return len(targets)

    @signal("app.form", is_allowed_to=everyone)
    def form(
        window_info: Any,
        form_data: SerializedForm(TitleForm) = None,  # type: ignore[valid-type]
        title: str | None = None,
        id: int | None = None,  # noqa: A002
    ) -> None:
        valid = form_data and form_data.is_valid()
        RAN.append([valid, form_data and form_data.cleaned_data.get("title"), title, id])
        trigger(window_info, "app.mark", to=WINDOW, target=title or "form")

    @signal("app.slow", is_allowed_to=everyone)
    def slow(window_info: Any, n: int, wait: float = 0) -> int:
        time.sleep(wait)
        RAN.append(n)
        return n

    @signal("app.refuse", is_allowed_to=everyone)
    def refuse(window_info: Any) -> None:
        raise Deny(1000, "not today")

    @signal("app.broken", is_allowed_to=everyone)
    def broken(window_info: Any) -> None:
        raise RuntimeError("a secret")

    @signal("app.tell", is_allowed_to=everyone)
    def tell(window_info: Any) -> None:
        publish("$users", "told", exclude=window_info)

    for _ in range(2):
        signal("app.two", is_allowed_to=everyone)(make_nothing())


def make_nothing() -> Any:
    def nothing(window_info: Any) -> None:
        RAN.append("nothing")

    nothing.__qualname__ += str(len(registry.find("app.two")))
    return nothing


@pytest.fixture
def windows(site: Site) -> Site:
    RAN.clear()
    connect_signals()
    Group.objects.create(name="a group")
    site.write(marked=MARKED)
    return site


def test_each_target_reaches_exactly_the_right_windows(windows: Site) -> None:
    first = windows.open("ann", "windows/marked/?topic=obj")
    second = first.context.new_page()
    second.goto(f"{windows.url}/windows/marked/?topic=model&topic=text")
    joined(second)
    other = windows.open("bob", "windows/marked/?topic=number&topic=obj")
    for page in (first, second, other):
        marks(page)
    for target in ("WINDOW", "USER", "BROADCAST", "obj", "model", "text", "number"):
        assert call(first, "app.send", {"targets": [target]}) == 1
    assert call(first, "app.send", {"targets": ["WINDOW", "USER", "obj", "BROADCAST"]}) == 4
    many = "WINDOW+USER+obj+BROADCAST"
    marks(first, "WINDOW", "USER", "BROADCAST", "obj", many)
    marks(second, "USER", "BROADCAST", "model", "text", many)
    marks(other, "BROADCAST", "obj", "number", many)
    assert all("page:" not in name for name in first.evaluate("instant.channels.map(({name}) => name)"))


def test_a_visitor_has_a_window_and_no_user(windows: Site, settings: Settings) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    page, other = (windows.open(name, "windows/marked/") for name in (None, "ann"))
    trigger(None, "app.mark", to=BROADCAST, target="all")
    marks(page, "all")
    marks(other, "all")
    assert call(page, "app.send", {"targets": ["USER"]}) == ["CallRefused", 403, "you may not call this signal"]
    assert call(page, "app.form", {"title": "mine"}) is None
    marks(page, "all", "mine")
    marks(other, "all")


def test_a_signal_of_the_server_runs_on_both_sides(windows: Site) -> None:
    page = windows.open("ann", "windows/marked/")
    trigger(None, "app.form", to=[SERVER, BROADCAST], title="from the server")
    assert RAN == [[None, None, "from the server", None]]
    trigger(None, "app.mark", to=BROADCAST, target="after it")
    marks(page, "after it")
    page.evaluate("void DFSignals.connect('app.form', ({title}) => marks.push('here: ' + title))")
    assert page.evaluate("DFSignals.call('app.form', {title: 'from here'})") is None
    marks(page, "after it", "here: from here", "from here")
    assert page.evaluate("DFSignals === instant.windows")


def test_what_a_call_publishes_may_leave_out_who_called(windows: Site) -> None:
    pages = [windows.open(name, "windows/marked/") for name in ("ann", "ann", "bob")]
    for page in pages:
        page.evaluate("() => { window.texts = []; instant.on('*', ({message}) => texts.push(message)); }")
    assert call(pages[0], "app.tell", {}) is None
    publish("$users", "end")
    for page, expected in zip(pages, (["end"], ["told", "end"], ["told", "end"]), strict=True):
        until(page, "texts.includes('end')")
        assert page.evaluate("texts.filter((text) => text)") == expected


def test_answers(windows: Site) -> None:
    page = windows.open("ann", "windows/marked/")
    assert call(page, "app.slow", {"n": "42"}) == 42
    assert call(page, "app.two", {}) == {"queued": True}
    assert call(page, "app.refuse", {}) == ["CallRefused", 1000, "not today"]
    assert call(page, "app.broken", {}) == ["CallFailed", 500, "internal error"]
    assert call(page, "app.slow", {"n": "x"})[:2] == ["CallRefused", 400]
    assert call(page, "app.nobody", {}) == ["CallRefused", 404, "there is no such signal"]
    assert call(page, "weird:name", {})[:2] == ["CallRefused", 104]
    assert call(page, "app.slow", {"n": "x" * 70_000})[:2] == ["CallRefused", 413]
    assert call(page, "app.slow", {"n": 1, "x": "<" * 64_500})[:2] == ["CallRefused", 400]
    # Functions in this window only.
    page.evaluate("void instant.windows.connect('app.local', () => marks.push('local'))")
    assert page.evaluate("instant.windows.call('app.local', {})") is None
    marks(page, "local")
    assert page.evaluate("instant.state") == "connected"


def test_calls_of_a_signal_keep_their_order(windows: Site) -> None:
    page = windows.open("ann", "windows/marked/")
    found = page.evaluate(
        """() => Promise.all([...Array(20).keys()].map((n) =>
            instant.call("app.slow", {n, wait: n % 4 == 0 ? 0.05 : 0})))"""
    )
    assert found == RAN == list(range(20))
    RAN.clear()
    page.evaluate(
        """() => Promise.all([0.4, 0].map((wait, n) => instant.call("app.slow", {n, wait}, {parallel: true})))"""
    )
    assert RAN == [1, 0]


def test_what_takes_too_long_still_runs_and_is_not_repeated(windows: Site) -> None:
    page = windows.open("ann", "windows/marked/")
    assert call(page, "app.slow", {"n": 1, "wait": 3.4}) == ["CallTimeout", 100, "still running"]
    page.wait_for_timeout(1500)
    assert RAN == [1]


def test_a_call_may_take_as_long_as_the_setting_says(windows: Site, server: LiveServer, settings: Settings) -> None:
    settings.INSTANT_PROXY_TIMEOUT = 8.0
    server.stop()
    server.config = render()
    server.start()
    page = windows.open("ann", "windows/marked/")
    assert call(page, "app.slow", {"n": 1, "wait": 5.5}) == 1


def test_calls_wait_for_the_connection(windows: Site) -> None:
    early = "<script>instant.call('app.slow', {n: 7}).then((n) => marks.push(n)); instant."
    windows.write(early=MARKED.replace("<script>instant.", early))
    page = windows.browser("ann")
    page.goto(f"{windows.url}/windows/early/")
    until(page, "marks.includes(7)")
    page.evaluate("instant.disconnect()")
    assert call(page, "app.slow", {"n": 8})[0] == "ConnectionClosed"


FORMS = (
    MARKED
    + """{% load instant %}
    <form id="all" {% js_call "app.form" on="change" form="form_data" id=42 %}>
        <input type="text" name="title" value="df_websockets"></form>
    <input id="alone" type="text" name="title" {% js_call "app.form" on="change" value="title" id=43 %}>
    <form id="sent" {% js_call "app.form" form="form_data" %}><input name="title"><button>send</button></form>
    <div id="box"></div><script>history.replaceState(null, "", "#here")</script>"""
)


def test_the_forms_of_the_seed(windows: Site) -> None:
    windows.write(forms=FORMS)
    page = windows.open("ann", "windows/forms/")
    page.fill("#all input", '<new> & "title"\'')
    page.press("#all input", "Tab")
    marks(page, "form")
    page.fill("#alone", "alone")
    page.press("#alone", "Tab")
    marks(page, "form", "alone")
    page.fill("#sent input", "")
    page.click("#sent button")
    marks(page, "form", "alone", "form")
    assert RAN == [[True, '<new> & "title"\'', None, 42], [None, None, "alone", 43], [False, None, None, None]]
    assert page.url.endswith("#here")


def test_the_window_outlives_its_tokens(windows: Site, settings: Settings) -> None:
    """All tokens are renewed, by one request that names the window: its channels and its calls go on."""
    settings.INSTANT_CHANNEL_TOKEN_TTL = settings.INSTANT_TOKEN_TTL = 4
    page = windows.open("ann", "windows/marked/?topic=text")
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request.post_data_json) if "get_token" in request.url else None)
    for _ in range(60):
        if asked:
            break
        page.wait_for_timeout(100)
    assert asked[0]["window"]
    page.wait_for_timeout(300)
    assert call(page, "app.send", {"targets": ["WINDOW", "text"]}) == 2
    marks(page, "WINDOW+text")


def test_nothing_is_lost_while_the_connection_is(
    windows: Site, server: LiveServer, settings: Settings, errors: list[str]
) -> None:
    with Cable(server.port) as cable:
        settings.INSTANT_WEBSOCKET_URL = f"ws://127.0.0.1:{cable.port}"
        page = windows.open("ann", "windows/marked/?topic=text")
        marks(page)
        cable.cut()
        page.wait_for_selector("html[data-instant-state=connecting]")
        trigger(None, "app.mark", to=["text", BROADCAST], target="missed")
        page.evaluate("void instant.call('app.slow', {n: 1}).then((n) => marks.push(n))")
        page.wait_for_timeout(200)
        assert RAN == []
        cable.mend()
        until(page, "marks.length == 3")
        assert page.evaluate("marks.sort()") == [1, "greeting", "missed"]
        assert RAN == [1]
        page.evaluate("instant.disconnect()")
    errors.clear()  # the browser reports each attempt that failed


def test_django_messages_arrive_live(windows: Site) -> None:
    page = windows.open("ann", "windows/marked/")
    other = windows.open("bob", "windows/marked/")
    assert page.evaluate("fetch('/collect/').then((answer) => answer.text())") == "2"
    expect(page.locator("[data-instant-messages] .success")).to_contain_text("Hello <ann>")
    expect(page.locator("[data-instant-messages] .big.info b")).to_have_text("bold")
    assert page.evaluate("fetch('/collect/?none').then((answer) => answer.text())") == "0", "they were shown"
    trigger(None, "app.mark", to=BROADCAST, target="done")
    marks(other, "done")
    assert other.locator("[data-instant-messages]").count() == 0


# Rights


def demote(name: str) -> None:
    user = User.objects.get(username=name)
    user.is_staff = False
    user.save()


def test_a_page_is_loaded_again_when_rights_change(windows: Site) -> None:
    page = windows.open("ann", "windows/marked/?topic=text")
    other = windows.open("bob", "windows/marked/?topic=text")
    for each in (page, other):
        each.evaluate("window.before = true")
    demote("ann")
    page.wait_for_function("window.before === undefined")
    joined(page)
    trigger(None, "app.mark", to="text", target="again")
    marks(page, "again"), marks(other, "again")
    assert other.evaluate("window.before")


def test_a_page_may_prevent_that_it_is_loaded_again(windows: Site) -> None:
    page = windows.open("ann", "windows/marked/?topic=text")
    page.evaluate("window.told = 0; void instant.onRightsChanged(event => { event.preventDefault(); told += 1; })")
    page.evaluate("window.lost = []; void instant.onRevoked(({channel}) => lost.push(channel))")
    demote("ann")
    page.wait_for_function("told === 1")
    trigger(None, "app.mark", to=["text", BROADCAST], target="too late")
    page.wait_for_timeout(500)
    marks(page)
    assert page.evaluate("[told, lost.length, instant.state]") == [1, 0, "connected"]


def test_a_page_joins_a_topic_again_while_its_window_is_valid(windows: Site) -> None:
    page = windows.open("ann", "windows/marked/?topic=text")
    page.evaluate("window.before = true")
    channel = channel_of("text", WindowInfo())
    with page.expect_request("**/get_token/") as asked:
        cent_api.unsubscribe([(str(User.objects.get(username="ann").pk), str(channel))])
    assert asked.value.post_data_json["channels"] == [channel]
    until(page, "name => instant.client.getSubscription(name)?.state === 'subscribed'", channel)
    trigger(None, "app.mark", to="text", target="again")
    marks(page, "again")
    assert page.evaluate("window.before")
