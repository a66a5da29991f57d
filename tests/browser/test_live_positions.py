"""What live pages show although it came early, although a cache is there, and although the user went away."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import cache_page
from playwright.sync_api import Page, expect
from pytest_django import Settings

from instant import live, mark, publish
from instant.channels.user_ids import user_channel
from instant.models import Channel
from instant.testing import LiveServer
from tests.browser import live_site
from tests.browser.live_site import CLIENT, KEEPS, Site, calls, handled, joined, until
from tests.live_pages import subjects
from tests.tcp_proxies import Cable

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
django, site = live_site.django, live_site.site  # fixtures

#: How often the view behind a cache ran.
RAN: list[str] = []


def rendered(request: HttpRequest) -> HttpResponse:
    """Others publish between its query and the template, and after that was rendered."""
    count = User.objects.count()
    publish("$users", "after the query"), publish("news", "news after the query")
    response = render(request, "page.html", {"count": count})
    publish("$users", "after the template"), publish("news", "news after the template")
    return response


@live
def whole(request: HttpRequest) -> HttpResponse:
    return rendered(request)


def some(request: HttpRequest) -> HttpResponse:
    mark(request, ["$users"])
    return rendered(request)


@cache_page(600)
def cached(request: HttpRequest) -> HttpResponse:
    RAN.append(str(request.user))
    return render(request, "page.html")


urlpatterns = [
    path("live/", whole),
    path("some/", some),
    path("unmarked/", rendered),
    path("cached/", cached),
    *live_site.urlpatterns,
]

QUERY = ["after the query", "after the template"]


@pytest.mark.parametrize(
    ("name", "of_users", "of_news"),
    [
        ("live", QUERY, ["news after the query", "news after the template"]),
        ("some", QUERY, ["news after the template"]),
        ("unmarked", ["after the template"], ["news after the template"]),
    ],
)
def test_what_is_sent_while_the_page_is_made_arrives_once(
    site: Site,
    server: LiveServer,
    settings: Settings,
    errors: list[str],
    name: str,
    of_users: list[str],
    of_news: list[str],
) -> None:
    publish("$users", "long ago"), publish("news", "long ago")
    with Cable(server.port) as cable:
        settings.INSTANT_WEBSOCKET_URL = f"ws://127.0.0.1:{cable.port}"
        cable.cut()
        page = site.browser("ann")
        page.goto(f"{site.url}/{name}/")
        page.wait_for_selector("html[data-instant-state=connecting]", state="attached")
        publish("$users", "before the socket"), publish("news", "news before the socket")
        cable.mend()
        joined(page)
        publish("$users", "the end"), publish("news", "news, the end")
        of_users, of_news = (
            [*of_users, "before the socket", "the end"],
            [*of_news, "news before the socket", "news, the end"],
        )
        found = calls(page, len(of_users) + len(of_news))
        assert [call[2] for call in found if call[1] == "$users"] == of_users
        assert [call[2] for call in found if call[1] == "news"] == of_news
        cable.cut()  # what was recovered once is not again
        page.wait_for_selector("html[data-instant-state=connecting]", state="attached")
        cable.mend()
        joined(page)
        publish("news", "news, once more")
        assert [call[2] for call in calls(page, len(found) + 1)][len(found) :] == ["news, once more"]
        page.close()
    errors.clear()  # the browser reports each attempt that failed


def of_own(page: Page, name: str) -> None:
    """The page is of this user: what is sent to them arrives, as does what is sent to all."""
    user = User.objects.get(username=name)
    assert page.evaluate("JSON.parse(document.getElementById('instant-page').textContent).user") == str(user.pk)
    publish(user_channel(user), f"for {name}"), publish("$users", "for all")
    assert {call[2] for call in calls(page, 2)} == {f"for {name}", "for all"}
    page.evaluate("calls.length = 0")


FRAGMENT = f'<!doctype html>{{% load cache %}}{{% cache 600 "engine" %}}{CLIENT}{{% endcache %}}'


@pytest.mark.parametrize(("path", "template"), [("cached/", CLIENT), ("index/", FRAGMENT)], ids=["page", "fragment"])
def test_a_cache_gives_each_user_their_own(site: Site, path: str, template: str) -> None:
    RAN.clear()
    site.write(page=template)
    pages: list[Page] = []
    for name in ("ann", "bob"):
        page = site.browser(name)
        response = page.goto(f"{site.url}/{path}")
        assert response is not None
        assert subjects(response.text()) == {str(User.objects.get(username=name).pk)}
        assert response.headers["cache-control"] == "private, no-store"
        joined(page)
        pages.append(page)
    of_own(pages[0], "ann")
    pages[1].evaluate("window.calls = []")
    of_own(pages[1], "bob")
    assert RAN in ([], ["ann"])
    assert len(RAN) == (path == "cached/")


def test_going_away_and_back(site: Site) -> None:
    site.write(page=f"<!doctype html><title>{{{{ request.user }}}}</title>{CLIENT}", other="<h1>other</h1>")
    page = site.open()
    publish("$users", "one")
    handled(page, "one")
    page.goto(f"{site.url}/other/")
    publish("$users", "two")
    page.go_back()
    joined(page)
    publish("$users", "three")
    until(page, "(window.calls || []).some((call) => call[2] == 'three')")
    uids = [call[5] for call in page.evaluate("calls")]
    assert len(uids) == len(set(uids))
    page.goto(f"{site.url}/other/")
    site.log_in(page.context, "bob")
    page.go_back()
    expect(page).to_have_title("bob")
    joined(page)
    page.evaluate("window.calls = []")
    of_own(page, "bob")


def test_a_page_out_of_the_back_forward_cache(site: Site) -> None:
    """The event of a page that the browser had kept, as none of a socket is by this browser."""
    back = "window.old = true; dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))"
    Channel.objects.create(name="ops", level="superuser")
    site.write(page=f"<!doctype html><title>{{{{ request.user }}}}</title>{CLIENT}")
    site.write_scripts({"handlers/$users": KEEPS})
    page = site.open()
    publish("$users", "one")
    handled(page, "one")
    with page.expect_response("**/get_token/"):
        page.evaluate(back)
    publish("$users", "two")
    handled(page, "one", "two")
    assert page.evaluate("window.old")
    site.log_in(page.context, "bob")
    page.evaluate(back)
    expect(page).to_have_title("bob")
    joined(page)
    publish("$ops", "for ann"), publish("$users", "three")
    handled(page, "three")
    assert not page.evaluate("window.old")
