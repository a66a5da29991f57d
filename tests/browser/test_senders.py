"""Not to the sender, in real pages: `exclude=request` and the header that page.js puts into requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from playwright.sync_api import Page

from instant import protocol, publish
from tests.browser import live_site
from tests.browser.live_site import CLIENT, Site, joined, until, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.browser.test_senders")]
django, site = live_site.django, live_site.site  # fixtures

ROOT = Path(__file__).parents[2]
HTMX = {version: ROOT / "frontend/node_modules" / version / "dist/htmx.js" for version in ("htmx.org", "htmx2")}
#: The header of each request that was made.
SENT: list[str] = []


@csrf_exempt
def save(request: HttpRequest) -> HttpResponse:
    SENT.append(request.headers.get(protocol.SENDER_HEADER, ""))
    publish("$users", request.GET["text"], exclude=request)
    return HttpResponse("saved")


urlpatterns = [path("save/", save), *live_site.urlpatterns]


def heard(page: Page) -> list[str]:
    """What the page was told, up to a message that is for all."""
    until(page, "(window.calls || []).some(([, , message]) => message == 'end')")
    return [message for _, _, message, *_ in page.evaluate("calls")]


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    SENT.clear()


def test_by_whatever_way_the_request_goes(site: Site) -> None:
    mine, tab, other = site.open("ann"), site.open("ann"), site.open("bob")
    mine.evaluate("() => fetch('/save/?text=fetch', {method: 'POST'}).then((response) => response.text())")
    mine.evaluate("() => fetch(new Request('/save/?text=request', {method: 'POST', headers: {'X-Other': '1'}}))")
    mine.evaluate("""() => new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open("POST", "/save/?text=xhr");
        request.onload = resolve;
        request.send();
    })""")
    mine.evaluate("""() => { // blocks the page, and leaves the header to its own hand
        const request = new XMLHttpRequest();
        request.open("POST", new URL("/save/?text=own", location), false);
        for (const [name, value] of Object.entries(instant.headers())) request.setRequestHeader(name, value);
        request.send();
    }""")
    publish("$users", "end")
    assert heard(mine) == ["end"]
    assert heard(tab) == heard(other) == ["fetch", "request", "xhr", "own", "end"]
    assert len(set(SENT)) == 1
    assert len(SENT) == 4
    assert SENT[0] == mine.evaluate("instant.headers()")[protocol.SENDER_HEADER]


@pytest.mark.parametrize("version", HTMX)
def test_htmx(site: Site, version: str) -> None:
    if not HTMX[version].exists():
        pytest.skip("htmx: npm ci was not run in frontend/")
    site.write(page=f"<script src='/htmx.js'></script>{CLIENT}<button hx-post='/save/?text=htmx'>save</button>")
    pages = [site.browser(name) for name in ("ann", "bob")]
    for page in pages:
        page.route("**/htmx.js", lambda route: route.fulfill(path=HTMX[version], content_type="text/javascript"))
        page.goto(f"{site.url}/index/")
        joined(page)
    pages[0].click("button")
    pages[0].wait_for_selector("text=saved")
    publish("$users", "end")
    assert heard(pages[0]) == ["end"]
    assert heard(pages[1]) == ["htmx", "end"]


def test_a_forged_header_silences_nobody(site: Site) -> None:
    """Bob knows Ann's id; Ann hears what he does nevertheless, and so does he, whose id it is not."""
    ann, bob = site.open("ann"), site.open("bob")
    header = ann.evaluate("instant.headers()")
    assert list(header) == [protocol.SENDER_HEADER]
    bob.evaluate("(headers) => fetch('/save/?text=forged', {method: 'POST', headers})", header)
    publish("$users", "end")
    assert [header[protocol.SENDER_HEADER]] == SENT
    assert heard(ann) == heard(bob) == ["forged", "end"]


def test_a_connection_before_counts_too(site: Site) -> None:
    page, other = site.open("ann"), site.open("bob")
    before = page.evaluate("instant.headers()")
    page.evaluate("() => { instant.disconnect(); return instant.connect(); }")
    joined(page, "$users")
    after = page.evaluate("instant.headers()")[protocol.SENDER_HEADER]
    assert after.startswith(before[protocol.SENDER_HEADER] + ",")
    page.evaluate("(headers) => fetch('/save/?text=late', {method: 'POST', headers})", before)
    publish("$users", "end")
    assert heard(page) == ["end"]
    assert heard(other) == ["late", "end"]


def test_other_origins_learn_nothing(site: Site, errors: list[str]) -> None:
    """No header, and so no request before the request, to a site that did not ask for it."""
    page = site.open("ann")
    elsewhere = site.url.replace("localhost", "127.0.0.1")
    page.evaluate("(url) => fetch(`${url}/save/?text=one`, {method: 'POST', mode: 'no-cors'})", elsewhere)
    page.evaluate(
        """(url) => new Promise((resolve) => {
            const request = new XMLHttpRequest();
            request.open("POST", `${url}/save/?text=two`);
            request.onloadend = resolve;
            request.send();
        })""",
        elsewhere,
    )
    assert SENT == ["", ""]
    wait_for(page, lambda: len(errors) == 2, "two errors")
    errors.clear()  # the answer is not for this page


def test_a_client_of_its_own(site: Site) -> None:
    """instant.js does it where it is asked to; two clients in a page are both the sender."""
    script = "{% load static %}<script src=\"{% static 'instant/instant.js' %}\"></script>"
    site.write(page=f"{CLIENT}{script}")
    page = site.open("ann")
    page.evaluate("""async () => {
        window.texts = [];
        window.own = djangoInstant.useInstant({sendersTo: [location.origin]});
        own.on("*", ({message}) => texts.push(message));
        await own.connect();
        await own.subscribe("$users");
        await fetch("/save/?text=one", {method: "POST"});
    }""")
    publish("$users", "end")
    until(page, "texts.includes('end')")
    assert page.evaluate("texts") == heard(page) == ["end"]
    assert len(SENT[0].split(",")) == 2
