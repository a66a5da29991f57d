"""No cache hands one user's tokens to another, wherever it sits."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import include, path
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.http import condition
from pytest_django import Settings

from instant import live
from instant.models import Channel
from tests.live_pages import PLACEHOLDER, credentials, names, page, render, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

OURS = "instant.middleware.InstantMiddleware"
UPDATE, FETCH = "django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware"
GZIP, CONDITIONAL = "django.middleware.gzip.GZipMiddleware", "django.middleware.http.ConditionalGetMiddleware"

#: How often a view ran.
RAN: list[str] = []
FRAGMENT = (
    '{% load cache %}<html>{% cache 600 engine %}{% include "instant/client.html" %}{% endcache %}{{ request.user }}'
)


def plain(request: HttpRequest) -> HttpResponse:
    RAN.append(request.path)
    return HttpResponse(render(request))


def template_response(request: HttpRequest) -> TemplateResponse:
    RAN.append(request.path)
    return TemplateResponse(request, "instant/client.html")


def fragment(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render(request, FRAGMENT))


def with_etag(request: HttpRequest) -> HttpResponse:
    return plain(request)


urlpatterns = [
    path("instant/", include("instant.urls")),
    path("plain/", plain),
    path("template/", template_response),
    path("cached/", cache_page(60)(plain)),
    path("cached_template/", cache_page(60)(template_response)),
    path("cached_in_live/", live(cache_page(60)(plain))),
    path("cached_template_in_live/", live(cache_page(60)(template_response))),
    path("live_in_cached/", cache_page(60)(live(plain))),
    path("live_template_in_cached/", cache_page(60)(live(template_response))),
    path("live_in_public/", cache_page(60)(cache_control(public=True, max_age=60)(live(plain)))),
    path("never/", never_cache(live(plain))),
    path("fragment/", live(fragment)),
    path("etag/", live(condition(etag_func=lambda request: '"same"')(with_etag))),
]


@pytest.fixture(autouse=True)
def cache(settings: Settings) -> Iterator[Any]:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": __name__}}
    Channel.objects.create(name="users", level="users")
    RAN.clear()
    caches["default"].clear()
    yield caches["default"]
    caches["default"].clear()


@pytest.fixture
def browsers() -> dict[str, Client]:
    """Of two users, and of a visitor; by what names them on the server."""
    found = {}
    for name in ("alice", "bob"):
        user = User.objects.create_user(name)
        found[str(user.pk)] = Client()
        found[str(user.pk)].force_login(user)
    return {**found, "": Client()}


def with_middleware(settings: Settings, first: list[str], last: list[str]) -> None:
    settings.MIDDLEWARE = [*first, *settings.MIDDLEWARE, *last]


def each_gets_their_own(browsers: dict[str, Client], url: str, rounds: int = 3) -> None:
    """All users ask for the page in turn, so that each is handed what others caused to be stored."""
    for _ in range(rounds):
        for sub, browser in browsers.items():
            response = browser.get(url)
            html = response.content.decode()
            if not sub:
                assert (credentials(html), page(html)["user"]) == (None, None)
                assert "Cookie" in response["Vary"]
                continue
            assert subjects(html) == {sub}
            assert names(html) == ["$users"]
            assert page(html)["user"] == sub
            assert set(response["Cache-Control"].split(", ")) >= {"private", "no-store"}
            assert "max-age" not in response["Cache-Control"]
            assert not response.has_header("Expires")
            assert response["Content-Length"] == str(len(response.content))
            csrf = Client(enforce_csrf_checks=True)
            csrf.cookies = browser.cookies
            headers = {"x-csrftoken": credentials(html)["csrf_token"]}
            assert csrf.post("/instant/logout/", headers=headers).status_code == 200
            browser.force_login(User.objects.get(pk=sub))


def nothing_secret_is_stored(cache: Any) -> None:
    stored = b"".join(bytes(value) for value in cache._cache.values())
    assert b"eyJ" not in stored
    assert b"ws_token" not in stored


# Decorators


@pytest.mark.parametrize("url", ["/cached_in_live/", "/cached_template_in_live/"])
def test_cache_page_inside_of_live(browsers: dict[str, Client], cache: Any, url: str) -> None:
    each_gets_their_own(browsers, url)
    assert len(RAN) == 1
    assert PLACEHOLDER.encode() in b"".join(bytes(value) for value in cache._cache.values())
    nothing_secret_is_stored(cache)


@pytest.mark.parametrize("url", ["/live_in_cached/", "/live_template_in_cached/"])
def test_cache_page_outside_of_live_stores_nothing(browsers: dict[str, Client], cache: Any, url: str) -> None:
    each_gets_their_own({sub: browser for sub, browser in browsers.items() if sub}, url)
    assert len(RAN) == 6
    nothing_secret_is_stored(cache)


def test_what_is_stored_for_visitors_is_not_handed_to_users(browsers: dict[str, Client]) -> None:
    """Outside of live, a cache may keep the page of who may not connect: it varies with the cookie."""
    each_gets_their_own(dict(reversed(browsers.items())), "/live_in_cached/")


@pytest.mark.parametrize("url", ["/cached/", "/cached_template/", "/live_in_cached/", "/live_template_in_cached/"])
def test_cache_page_inside_of_the_middleware(
    browsers: dict[str, Client], settings: Settings, cache: Any, url: str
) -> None:
    """There even a cache outside of @live is one of placeholders: the middleware fills, not the decorator."""
    with_middleware(settings, [], [OURS])
    each_gets_their_own(browsers, url)
    assert len(RAN) == 1
    nothing_secret_is_stored(cache)


def test_even_a_page_that_is_said_to_be_public(browsers: dict[str, Client], settings: Settings, cache: Any) -> None:
    with_middleware(settings, [], [OURS])
    each_gets_their_own(browsers, "/live_in_public/")
    nothing_secret_is_stored(cache)


def test_never_cache_stays(browsers: dict[str, Client]) -> None:
    _, browser = browsers.popitem(), next(iter(browsers.values()))
    directives = set(browser.get("/never/")["Cache-Control"].split(", "))
    assert directives == {"max-age=0", "no-cache", "no-store", "must-revalidate", "private"}


def test_cached_pages_that_nobody_fills_hold_no_tokens(browsers: dict[str, Client]) -> None:
    for browser in browsers.values():
        assert PLACEHOLDER in browser.get("/cached/").content.decode()


# A cache of the whole site


def test_a_cache_of_the_site_inside_of_ours(browsers: dict[str, Client], settings: Settings, cache: Any) -> None:
    with_middleware(settings, [OURS, UPDATE], [FETCH])
    for url in ("/plain/", "/template/"):
        each_gets_their_own(browsers, url)
    nothing_secret_is_stored(cache)


def test_a_cache_of_the_site_does_its_work(settings: Settings, cache: Any) -> None:
    """Sessions make it one page for each cookie: so one user, who asks again."""
    with_middleware(settings, [OURS, UPDATE], [FETCH])
    browser, user = Client(), User.objects.create_user("alice")
    browser.force_login(user)
    for _ in range(4):
        assert subjects(browser.get("/plain/").content.decode()) == {str(user.pk)}
    assert len(RAN) <= 2, "the first answer may set the CSRF cookie"
    nothing_secret_is_stored(cache)


def test_a_cache_of_the_site_outside_of_ours_stores_nothing(
    browsers: dict[str, Client], settings: Settings, cache: Any
) -> None:
    with_middleware(settings, [UPDATE], [FETCH, OURS])
    each_gets_their_own(browsers, "/plain/")
    assert len(RAN) >= 6
    nothing_secret_is_stored(cache)


def test_the_csrf_cookie_comes_with_a_page_from_the_sites_cache(settings: Settings, cache: Any) -> None:
    """Ours is outside of the CSRF middleware there, which is through by then."""
    with_middleware(settings, [OURS, UPDATE], [FETCH])
    settings.INSTANT_ALLOW_ANONYMOUS = True
    Client().get("/plain/")
    browser = Client(enforce_csrf_checks=True)
    response = browser.get("/plain/")
    token = credentials(response.content.decode())["csrf_token"]
    assert "csrftoken" in response.cookies
    assert browser.post("/instant/logout/", headers={"x-csrftoken": token}).status_code == 200


# Fragments


def test_a_cached_fragment(browsers: dict[str, Client], cache: Any) -> None:
    each_gets_their_own(browsers, "/fragment/")
    assert PLACEHOLDER.encode() in b"".join(bytes(value) for value in cache._cache.values())
    nothing_secret_is_stored(cache)


# What other middleware does to the answer


def test_gzip_outside(browsers: dict[str, Client], settings: Settings) -> None:
    with_middleware(settings, [GZIP], [OURS])
    sub, browser = next(iter(browsers.items()))
    response = browser.get("/plain/", headers={"accept-encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"
    assert response["Content-Length"] == str(len(response.content))
    assert subjects(gzip.decompress(response.content).decode()) == {sub}


def test_gzip_inside_leaves_the_page_to_get_token(browsers: dict[str, Client], settings: Settings) -> None:
    with_middleware(settings, [OURS, GZIP], [])
    browser = next(iter(browsers.values()))
    response = browser.get("/plain/", headers={"accept-encoding": "gzip"})
    assert PLACEHOLDER in gzip.decompress(response.content).decode()


@pytest.mark.parametrize(("first", "last"), [([CONDITIONAL], [OURS]), ([OURS, CONDITIONAL], [])])
def test_conditional_requests(
    browsers: dict[str, Client], settings: Settings, first: list[str], last: list[str]
) -> None:
    with_middleware(settings, first, last)
    each_gets_their_own({sub: browser for sub, browser in browsers.items() if sub}, "/plain/")
    response = next(iter(browsers.values())).get("/plain/")
    assert not response.has_header("ETag")


def test_an_etag_of_the_view_is_not_that_of_the_filled_page(browsers: dict[str, Client]) -> None:
    each_gets_their_own({sub: browser for sub, browser in browsers.items() if sub}, "/etag/")
    browser = next(iter(browsers.values()))
    assert not browser.get("/etag/").has_header("ETag")
    assert browser.get("/etag/", headers={"if-none-match": '"same"'}).status_code == 304


def test_head(browsers: dict[str, Client]) -> None:
    response = next(iter(browsers.values())).head("/cached_in_live/")
    assert (response.status_code, response.content) == (200, b"")
    assert response["Cache-Control"] == "private, no-store"
