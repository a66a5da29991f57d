"""What signals do to a page: `data-df-signal`, and the standard signals. The server makes no difference here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from playwright.sync_api import Page, expect

from instant.access.guards import everyone
from instant.html import stream
from instant.windows.html_attributes import signal_attribute
from instant.windows.registry import signal
from instant.windows.targets import BROADCAST
from instant.windows.triggering import trigger
from tests.browser import live_site, windows_site
from tests.browser.live_site import Site, until, wait_for
from tests.browser.windows_site import MARKED
from tests.snippets import ROOT, snippets

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
django, site, namespaces = live_site.django, live_site.site, windows_site.namespaces  # fixtures

HTMX = ROOT / "frontend/node_modules/htmx.org/dist/htmx.js"


def report(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a report", content_type="text/csv")


def fragment(request: HttpRequest) -> HttpResponse:
    return HttpResponse("""<b id="late" data-df-signal='[{"name": "app.keep", "opts": {"by": "htmx"}}]'>late</b>""")


def strict(request: HttpRequest) -> HttpResponse:
    request.csp_nonce = "abc"  # type: ignore[attr-defined]
    response = render(request, "strict.html")
    response["Content-Security-Policy"] = "default-src 'none'; script-src 'self' 'nonce-abc'; connect-src 'self' ws:"
    return response


urlpatterns = [
    path("strict/", strict),
    path("report.csv", report),
    path("fragment/", fragment),
    *live_site.urlpatterns,
]


@pytest.fixture
def server_kind() -> str:
    return "dev"


#: What the function in Python was called with.
KEPT: list[Any] = []


@pytest.fixture
def windows(site: Site) -> Site:
    KEPT.clear()

    @signal("app.keep", is_allowed_to=everyone)
    def keep(window_info: Any, **opts: Any) -> None:
        KEPT.append(opts)

    return site


def shown(windows: Site, body: str, **templates: str) -> Page:
    windows.write(body=MARKED + body, **templates)
    return windows.open("ann", "body/")


def kept(page: Page, *expected: Any) -> None:
    wait_for(page, lambda: len(KEPT) >= len(expected), f"calls, of {KEPT}")
    page.wait_for_timeout(100)
    assert list(expected) == KEPT


def send(called: str, /, **opts: Any) -> None:
    trigger(None, called, to=BROADCAST, **opts)


def done(page: Page) -> None:
    """Wait until all that was sent before has happened."""
    send("app.mark", target="done")
    until(page, "marks.includes('done')")


# Attributes


def attribute(**declared: Any) -> str:
    return str(signal_attribute("app.keep", **declared))


def test_events_and_values(windows: Site) -> None:
    page = shown(
        windows,
        f"""<form id="form" {attribute(form="fields", opts={"n": 1})}><input name="a" value="1">
        <textarea name="b">x\ny</textarea><input type="checkbox" name="c" checked><input type="checkbox" name="d">
        <input name="disabled" disabled><input type="file" name="file">
        <button name="which" value="one">one</button>
        <button name="which" value="two" id="two"><i>two</i></button></form>
        <input id="outside" name="e" value="out" form="form">
        <select id="select" {attribute(value="v")}><option>1<option>2</select>
        <select id="multiple" multiple {attribute(value="v")}><option>1<option>2<option>3</select>
        <input id="check" type="checkbox" {attribute(value="v")}>
        <button id="button" type="button" value="of the button" {attribute(value="v")}><b>b</b></button>
        <div id="around" {attribute(on="change", value="v")}><input id="inside"></div>
        <input id="focus" {attribute(on="focus", opts={"event": "focus"})}>
        <p id="own" {attribute(on="my-event", opts={"event": "own"})}></p>""",
    )
    page.click("#two i")
    fields = [("a", "1"), ("b", "x\r\ny"), ("c", "on"), ("e", "out"), ("which", "two")]
    kept(page, {"fields": [{"name": name, "value": value} for name, value in fields], "n": 1})
    KEPT.clear()
    page.select_option("#select", "2")
    page.select_option("#multiple", ["1", "3"])
    page.check("#check")
    page.click("#button b")
    page.fill("#inside", "typed")
    page.focus("#focus")
    page.evaluate("own.dispatchEvent(new CustomEvent('my-event'))")
    values = ["2", ["1", "3"], True, "of the button", "typed"]
    kept(page, *({"v": value} for value in values), {"event": "focus"}, {"event": "own"})


def test_what_the_browser_does_by_itself(windows: Site) -> None:
    page = shown(
        windows,
        f"""<script>document.addEventListener("click", (event) => marks.push(event.target.id + event.defaultPrevented))
        </script><a id="link" href="/elsewhere/" {attribute(opts={"by": "link"})}>link</a>
        <a id="anchor" href="#here"
        data-df-signal='[{{"name": "app.keep", "default": true, "opts": {{"by": "anchor"}}}}]'>
        a</a><label id="label">l<input id="check" type="checkbox" {attribute(on="click", opts={"by": "check"})}></label>
        <form action="/elsewhere/"><button id="submit" {attribute(opts={"by": "submit"})}>s</button></form>
        <form action="/elsewhere/" {attribute(opts={"by": "form"})}><input required id="required">
        <button id="valid">v</button></form>
        <form id="asks" action="/elsewhere/" {attribute(opts={"by": "asks"})} onsubmit="return false">
        <button id="no">no</button></form>""",
    )
    for selector in ("#link", "#anchor", "#check", "#submit"):
        page.click(selector)
    assert page.url.endswith("/body/#here")
    assert page.is_checked("#check")
    kept(page, *({"by": name} for name in ("link", "anchor", "check", "submit")))
    page.click("#valid")
    page.click("#no")
    with page.context.expect_page() as opened:
        page.click("#link", modifiers=["ControlOrMeta"])
    opened.value.close()
    kept(page, *({"by": name} for name in ("link", "anchor", "check", "submit")))
    page.fill("#required", "x")
    page.click("#valid")
    kept(page, *({"by": name} for name in ("link", "anchor", "check", "submit", "form")))


def test_input_waits_until_the_user_rests(windows: Site) -> None:
    page = shown(
        windows,
        f"""<input id="one" {attribute(on="input delay:150", value="v")}>
        <input id="two" data-df-signal='{{"name": "app.keep", "on": "input", "delay": 150, "value": "v"}}'>
        <input id="none" {attribute(on="input", value="v")}>""",
    )
    page.type("#one", "abc", delay=10)
    kept(page, {"v": "abc"})
    page.type("#two", "def", delay=10)
    kept(page, {"v": "abc"}, {"v": "def"})
    page.type("#none", "xy")
    kept(page, {"v": "abc"}, {"v": "def"}, {"v": "x"}, {"v": "xy"})


def test_elements_that_come_later(windows: Site) -> None:
    if not HTMX.exists():
        pytest.skip("htmx: npm ci was not run in frontend/")
    windows.write(
        late=MARKED + '<script src="/htmx.js"></script><div id="box"></div><p id="get" hx-get="/fragment/">g</p>'
    )
    page = windows.browser("ann")
    page.route("**/htmx.js", lambda route: route.fulfill(path=HTMX, content_type="text/javascript"))
    page.goto(f"{windows.url}/late/")
    live_site.joined(page)
    rare = attribute(on="dblclick", opts={"by": "live HTML"})
    stream("news", "append", "#box", html=f"<b id=stream {rare}>s</b>")
    page.dblclick("#stream")
    kept(page, {"by": "live HTML"})
    # The attribute of an element that is there: another signal, then none.
    stream("news", "replace", "#stream", html=f"<b id=stream {attribute(on='contextmenu', opts={'by': 'morph'})}>t</b>")
    expect(page.locator("#stream")).to_have_text("t")
    page.click("#stream", button="right")
    page.dblclick("#stream")
    kept(page, {"by": "live HTML"}, {"by": "morph"})
    page.click("#get")
    page.click("#late")
    kept(page, {"by": "live HTML"}, {"by": "morph"}, {"by": "htmx"})


def test_attributes_that_are_wrong_and_calls_that_fail_are_reported(windows: Site, errors: list[str]) -> None:
    page = shown(
        windows,
        """<b id="bad" data-df-signal="[{">x</b><b id="nameless" data-df-signal="[1]">x</b>
        <b id="unknown" data-df-signal='[{"name": "app.nobody"}]'>x</b>
        <b id="local" data-df-signal='[{"name": "app.mark", "opts": {"target": "local"}}]'>x</b>
        <i id="quiet"><b data-df-signal='[{"name": "app.nobody"}]'>x</b></i>""",
    )
    assert len(errors) == 2
    assert all("data-df-signal is invalid" in text for text in errors)
    errors.clear()
    page.evaluate(
        """quiet.addEventListener("instant:call-failed", (event) => {
            marks.push([event.detail.name, event.detail.error.code]);
            event.preventDefault();
        })"""
    )
    for selector in ("#bad", "#local", "#unknown", "#quiet b"):
        page.click(selector)
    until(page, "marks.length == 2")
    assert page.evaluate("marks") == ["local", ["app.nobody", 404]]
    assert errors == ["instant: CallRefused: app.nobody: there is no such signal (404)"]
    errors.clear()


def test_who_may_not_connect_is_refused_at_once(windows: Site, errors: list[str]) -> None:
    page = windows.browser(None)
    windows.write(body=MARKED + f"<form {attribute()}><button>b</button></form>")
    page.goto(f"{windows.url}/body/")
    found = page.evaluate("instant.call('app.keep').catch(({name, code}) => [name, code])")
    assert found == ["ConnectionClosed", 1]
    page.click("button")
    page.wait_for_timeout(100)
    assert page.url.endswith("/body/")
    assert errors == ["instant: ConnectionClosed: disconnected: nobody is logged in (1)"]
    errors.clear()


# Standard signals


def test_html(windows: Site) -> None:
    page = shown(windows, '<ul id="box"><li id="one">one</li><li id="two">two</li></ul><input id="field">')
    page.fill("#field", "typed")
    send("html.replace", target="#one", html="<li id=one>ONE</li><script>marks.push('ran')</script>")
    send("html.append", selector="#box", html='<li id="three">three<script>marks.push("ran")</script></li>')
    send("html.remove", target="#two")
    expect(page.locator("#box")).to_have_text("ONEthree")
    assert page.locator("#box script").count() == 0
    assert page.input_value("#field") == "typed"
    assert page.evaluate("marks") == []


def test_attributes_and_classes(windows: Site, errors: list[str]) -> None:
    page = shown(
        windows,
        '<a id="a" class="old both" href="/" title="t">a</a><input id="field"><input id="check" type="checkbox">',
    )
    page.fill("#field", "typed")
    send("html.attr", target="#a", name="href", value="/news/?a=1&b=2")
    send("html.attr", target="#a", attrs={"title": None, "hidden": False, "aria-busy": True, "data-n": 3})
    send("html.attr", target="#field", name="value", value='<"set">')
    send("html.attr", target="#check", name="checked", value=True)
    send("html.class", target="#a", remove="old", add=["new", "newer newest"], toggle="both other")
    done(page)
    assert page.evaluate("a.outerHTML") == (
        '<a id="a" class="new newer newest other" href="/news/?a=1&amp;b=2" aria-busy="" data-n="3">a</a>'
    )
    assert page.evaluate("[field.value, check.checked]") == ['<"set">', True]
    send("html.attr", target="#check", name="checked", value=None)
    send("html.attr", target="#field", name="value", value=None)
    done(page)
    until(page, "field.value == '' && !check.checked")
    for name, value in [("onclick", "x()"), ("srcdoc", "<b>"), ("href", "java\tscript:x()"), ("", "x")]:
        send("html.attr", target="#a", name=name, value=value)
    send("html.class", add="x")
    send("html.attr", target="#[", name="title", value="x")
    page.evaluate("marks.length = 0")
    done(page)
    assert len(errors) == 6
    errors.clear()
    assert page.evaluate("a.attributes.length") == 5


def test_messages(windows: Site, errors: list[str]) -> None:
    page = shown(windows, "<h1>title</h1>")
    send("messages.add", message="<b>saved</b>", level=25)
    box = page.locator("[data-instant-messages]")
    expect(box.locator(".success")).to_contain_text("<b>saved</b>")
    assert box.get_attribute("aria-live") == "polite"
    assert page.evaluate("document.body.firstElementChild.hasAttribute('data-instant-messages')")
    html = "<i>one</i><script>marks.push('ran')</script>"
    send("messages.add", messages=[{"message": "no", "tags": "mine error"}, {"html": html, "level": "info"}])
    expect(page.get_by_role("alert")).to_contain_text("no")
    expect(box.locator(".info i")).to_have_text("one")
    assert page.evaluate("document.querySelector('.mine').className") == "message mine error"
    page.get_by_role("button", name="Dismiss").first.click()
    expect(box.locator(".message")).to_have_count(2)
    assert page.evaluate("document.activeElement.closest('.error') != null")
    page.evaluate(
        """document.addEventListener("instant:message-added", (event) => {
            marks.push(event.detail);
            event.preventDefault();
        })"""
    )
    send("messages.add", message="mine", level_tag="warning", extra_tags="big")
    until(page, "marks.length == 1")
    assert page.evaluate("marks") == [{"text": "mine", "html": "", "tags": ["big", "warning"]}]
    expect(box.locator(".message")).to_have_count(2)


def test_messages_go_where_the_page_has_them(windows: Site) -> None:
    page = shown(windows, '<ul class="messagelist" data-instant-messages data-dismiss-label="Schließen"></ul>')
    send("messages.add", message="saved", tags="success")
    expect(page.locator("ul.messagelist > li.success")).to_contain_text("saved")
    page.get_by_role("button", name="Schließen").click()
    expect(page.locator("ul.messagelist > li")).to_have_count(0)


def test_page_reload_and_redirect(windows: Site, errors: list[str]) -> None:
    windows.write(other="<p id='other'>other</p>")
    page = shown(windows, "<script>history.replaceState(null, '', '?q=1')</script>")
    for url in ("https://evil.example.org/", "//evil.example.org/", "javascript:marks.push(1)", "", "data:text/html,x"):
        send("page.redirect", url=url)
    done(page)
    assert len(errors) == 5
    errors.clear()
    assert page.evaluate("marks") == ["done"]
    with page.expect_navigation():
        send("page.reload")
    live_site.joined(page)
    assert page.url.endswith("?q=1")
    assert page.evaluate("marks") == []  # it is not reloaded again and again
    page.wait_for_timeout(300)
    with page.expect_navigation():
        send("page.redirect", url="/other/#x")
    expect(page.locator("#other")).to_have_text("other")
    assert page.url == f"{windows.url}/other/#x"
    page.go_back()
    live_site.joined(page)


def test_download(windows: Site, errors: list[str]) -> None:
    page = shown(windows, "")
    files: list[tuple[dict[str, Any], str, bytes]] = [
        ({"url": "/report.csv", "filename": "mine.csv"}, "mine.csv", b"a report"),
        ({"content": "é;1\n", "filename": "text.csv", "type": "text/csv"}, "text.csv", "é;1\n".encode()),
        ({"content": "AAH/", "base64": True, "filename": "b.bin"}, "b.bin", b"\0\1\xff"),
    ]
    for opts, filename, content in files:
        with page.expect_download() as download:
            send("download", **opts)
        assert download.value.suggested_filename == filename
        assert Path(download.value.path()).read_bytes() == content
    send("download", url="https://evil.example.org/x", filename="x")
    send("download")
    done(page)
    assert len(errors) == 2
    errors.clear()


def test_a_strict_policy(windows: Site) -> None:
    """No eval, no inline script or style of ours."""
    element = f'<div id="box"></div><button id="b" {attribute(opts={"by": "b"})}>b</button>'
    page = windows.browser("ann")
    windows.write(strict=MARKED.replace("<script>", "<script nonce=abc>") + element)
    page.goto(f"{windows.url}/strict/")
    live_site.joined(page)
    page.click("#b")
    kept(page, {"by": "b"})
    send("messages.add", message="m", level=40)
    send("html.attr", target="#box", name="class", value="c")
    send("html.append", target="#box", html="<i>in</i>")
    expect(page.locator("#box.c i")).to_have_text("in")
    with page.expect_download() as download:
        send("download", content="x", filename="x.txt", type="text/plain")
    assert Path(download.value.path()).read_bytes() == b"x"


def test_the_page_of_the_docs(windows: Site) -> None:
    """docs/windows-js.md: its snippets run."""

    @signal("blog.greet", is_allowed_to=everyone)
    def greet(window_info: Any, name: str) -> str:
        return f"Hello, {name}"

    @signal("blog.save", is_allowed_to=lambda *_: False)
    def save(window_info: Any, **opts: Any) -> None: ...

    @signal("blog.search", is_allowed_to=everyone)
    def search(window_info: Any, q: str) -> None:
        KEPT.append(q)

    blocks = snippets(ROOT / "docs/windows-js.md")
    page = shown(windows, "".join(block.text for block in blocks if block.language == "html"))
    told: list[str] = []
    page.on("console", lambda entry: told.append(entry.text))
    for block in blocks:
        if block.language == "js":
            page.evaluate(f"async () => {{ {block.text} }}")
    assert told == ["CallRefused 403 you may not call this signal"]
    send("blog.changed", id=1, title="One")
    done(page)
    assert told[1:] == ["post 1 is now One"]
    page.type("[data-df-signal*=search]", "abc")
    kept(page, "abc")
    page.fill("[name=title]", "Two")
    page.press("[name=title]", "Tab")
    until(page, "document.querySelector('form').className == 'failed'")
    send("messages.add", message="One is published", level="success")
    done(page)
    assert told[2:] == ["blog.save you may not call this signal", "One is published  [success]"]
