"""Filling a page: which answers, for whom, with what, and what becomes of their headers."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, connections, transaction
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from instant import user_channel
from instant.access import channel_access
from instant.models import Channel
from instant.pages import page_positions
from instant.pages.context import script_json
from instant.pages.filling import fill
from instant.pages.page_state import page_of
from instant.serializer import encode
from tests.fakes import answer, fake_server
from tests.live_pages import PAGE, PLACEHOLDER, credentials, histories, names, offsets, page, render, subjects

pytestmark = pytest.mark.django_db
TYPE = "text/html; charset=utf-8"


@pytest.fixture
def alice() -> User:
    Channel.objects.create(name="users", level="users")
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="secret", level="staff")
    return User.objects.create_user("alice")


def request_of(user: Any, url: str = "/page/") -> HttpRequest:
    request = RequestFactory().get(url)
    request.user = user
    return request


def filled(request: HttpRequest, text: str = PAGE, **context: Any) -> str:
    page_of(request).fills = True
    return fill(request, HttpResponse(render(request, text, **context))).content.decode()


# With what


def test_it_is_the_answer_of_get_token(alice: User, client: Any) -> None:
    html = filled(request_of(alice))
    client.force_login(alice)
    answer = client.get("/instant/get_token/").json()
    found = credentials(html)
    assert list(found) == list(answer)
    assert names(html) == ["$users", "news"]
    assert found["refused"] == []
    assert found["websocket_url"] == answer["websocket_url"]
    assert subjects(html) == {str(alice.pk)}
    assert PLACEHOLDER not in html


def test_who_may_not_connect_gets_null(alice: User) -> None:
    response = fill(request := request_of(AnonymousUser()), HttpResponse(render(request)))
    assert credentials(response.content.decode()) is None
    assert response["Vary"] == "Cookie"
    assert "Cache-Control" not in response, "a page without tokens may be cached, for visitors"
    assert not response.cookies
    alice.is_active = False
    assert credentials(filled(request_of(alice))) is None


@override_settings(INSTANT_ALLOW_ANONYMOUS=True)
def test_visitors_get_the_public_channels(alice: User) -> None:
    assert names(filled(request_of(AnonymousUser()))) == ["news"]
    html = filled(RequestFactory().get("/"))  # no auth middleware
    assert (names(html), subjects(html)) == (["news"], {""})


def test_it_is_escaped_like_json_script(alice: User) -> None:
    Channel.objects.create(name="</script><!--&", level="public")
    html = filled(request_of(alice), '{% include "instant/client.html" %}')
    assert "</script><!--&" in names(html)
    assert html.count("</script>") == html.count("<script")
    assert "<!--" not in html
    assert "&" not in html


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_key_that_a_browser_would_round_is_text(client: Client, settings: Settings, encoding: str) -> None:
    """In the facts about the page, its credentials, its positions, and what a template writes into a script."""
    user = User.objects.create_user("ann", pk=2**60)
    Channel.objects.create(name=f"$post.{2**60}", level="users")
    request = request_of(user, "/é/")
    page_of(request).fills = True
    text = PAGE + "{% load instant %}{% js_call 'blog.show' pk=pk %}"
    with fake_server(histories({f"$post.{2**60}": 7})):
        response = HttpResponse(render(request, text, pk=2**60).encode(encoding), charset=encoding)
        html = fill(request, response).content.decode(encoding)
    assert page(html)["user"] == str(2**60)
    given = credentials(html)["channels"]
    assert {channel["name"] for channel in given} == {f"$post.{2**60}", user_channel(user)}
    assert offsets(html) == {f"$post.{2**60}": 7}
    assert subjects(html) == {str(2**60)}
    client.force_login(user)
    for found in (page(html), credentials(html), client.get("/instant/get_token/").json()):
        assert not re.search('(?<![\\w."])[0-9]{16}', json.dumps(found))
    assert f"{{&quot;pk&quot;:&quot;{2**60}&quot;}}" in html


def test_scripts_follow_the_rule_of_messages_for_large_integers() -> None:
    value = {"pk": 2**60, "pks": [-(2**60), 2**53], "n": 2**53 - 1, "text": "</é>"}
    text = script_json(value)
    assert json.loads(text) == json.loads(encode(value))
    assert json.loads(text)["pk"] == str(2**60)
    assert text.isascii()
    assert "<" not in text


@pytest.mark.parametrize("stream", ["", '{% load instant %}{% instant_stream "$users" %}'], ids=["plain", "stream"])
def test_a_page_reads_the_users_channels_once(alice: User, stream: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert names(filled(request_of(alice), PAGE + stream)) == ["$users", "news"]
    assert len([query for query in queries if 'FROM "instant_channel"' in query["sql"]]) == 1


def test_streams_are_joined_by_who_may(alice: User, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    text = PAGE + '{% load instant %}{% instant_stream "$secret" %}{% instant_stream "news" %}{% instant_stream "x" %}'
    with caplog.at_level(logging.DEBUG, "instant"):
        html = filled(request_of(alice), text)
    assert names(html) == ["$users", "news"]
    assert [record.levelname for record in caplog.records if "does not join $secret" in record.message] == ["DEBUG"]
    boss = User.objects.create_superuser("boss", is_staff=True)
    assert sorted(names(filled(request_of(boss), text))) == ["$secret", "$users", "news"]


def test_channels_with_paths(alice: User, settings: Settings) -> None:
    """Those of other paths are joined where a stream names them; what the user may not join stays refused."""
    settings.INSTANT_USERS_CHANNELS = [["$shop", ["/shop/*"]]]
    settings.INSTANT_STAFF_CHANNELS = [["$desk", ["/shop/*"]]]
    assert names(filled(request_of(alice, "/shop/cart/"))) == ["$shop", "$users", "news"]
    assert names(filled(request_of(alice, "/page/"))) == ["$users", "news"]
    named = PAGE + '{% load instant %}{% instant_stream "$shop" %}{% instant_stream "$desk" %}'
    with fake_server(histories()):
        html = filled(request_of(alice, "/page/"), named)
    assert sorted(names(html)) == ["$shop", "$users", "news"]
    assert set(offsets(html)) == {"$shop", "$users", "news"}


def test_positions_of_all_channels(alice: User) -> None:
    with fake_server(histories({"$users": 4, "news": -108})) as server:
        html = filled(request_of(alice))
        assert offsets(html) == {"$users": 4}
        assert len(server.requests) == 1


def test_a_page_from_a_cache_gets_positions_when_it_is_filled(alice: User) -> None:
    html = render(request_of(alice))
    with fake_server(histories({"$users": 4, "news": 5})) as server:
        html = fill(request_of(alice), HttpResponse(html)).content.decode()
        assert offsets(html) == {"$users": 4, "news": 5}
        assert len(server.requests) == 1


def test_a_page_from_a_cache_tells_of_its_own_user_and_path(alice: User) -> None:
    bob = User.objects.create_user("bob")
    html = render(request_of(alice, "/first/"))
    html = fill(request_of(bob, "/</script>/"), HttpResponse(html)).content.decode()
    assert (page(html)["user"], page(html)["path"]) == (str(bob.pk), "/</script>/")
    assert subjects(html) == {str(bob.pk)}
    html = fill(request_of(AnonymousUser()), HttpResponse(render(request_of(alice)))).content.decode()
    assert page(html)["user"] is None


# Which answers


def test_answers_that_are_left_alone(alice: User, tmp_path: Any) -> None:
    (tmp_path / "page.html").write_text(PLACEHOLDER)
    untouched = [
        HttpResponse("<p>nothing of ours</p>"),
        HttpResponse(PLACEHOLDER, content_type="text/plain"),
        HttpResponse(PLACEHOLDER, content_type="text/htmlx"),
        HttpResponse(PLACEHOLDER, content_type="application/xhtml+xml"),
        JsonResponse({"html": PLACEHOLDER}),
        HttpResponse(PLACEHOLDER, headers={"Content-Encoding": "gzip"}),
        HttpResponse(PLACEHOLDER, status=206),
        HttpResponse(PLACEHOLDER, status=304),
        HttpResponse(PLACEHOLDER, status=404),
        HttpResponse(PLACEHOLDER, status=500),
        HttpResponse(PLACEHOLDER.replace("{}", "{ }")),
        HttpResponse(PLACEHOLDER.replace("<script ", "<script nonce='' ")),
        HttpResponse(),
    ]
    for response in untouched:
        content, headers = response.content, dict(response.headers)
        with CaptureQueriesContext(connection) as queries:
            assert fill(request_of(alice), response) is response
        assert (response.content, dict(response.headers), len(queries)) == (content, headers, 0)
    streaming = StreamingHttpResponse([PLACEHOLDER])
    assert fill(request_of(alice), streaming).getvalue().decode() == PLACEHOLDER
    with (tmp_path / "page.html").open("rb") as file:
        assert fill(request_of(alice), FileResponse(file)).getvalue().decode() == PLACEHOLDER


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML;charset=UTF-8", 'text/html; charset="utf-8"'])
@pytest.mark.parametrize("status", [200, 201, 203])
def test_answers_that_are_filled(alice: User, content_type: str, status: int) -> None:
    response = fill(request_of(alice), HttpResponse(PLACEHOLDER, content_type=content_type, status=status))
    assert names(response.content.decode()) == ["$users", "news"]


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "cp1252", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_the_charset_is_kept(alice: User, charset: str) -> None:
    request = request_of(alice)
    response = HttpResponse(render(request).encode(charset), content_type=f"text/html; charset={charset}")
    html = fill(request, response).content.decode(charset)
    assert names(html) == ["$users", "news"]
    assert "<title>é</title>" in html
    assert "\ufeff" not in html[1:]
    assert page(html)["path"] == "/page/"


def test_once_a_page(alice: User) -> None:
    twins = render(request_of(alice)) + render(request_of(alice))
    request, response = request_of(alice), HttpResponse(twins)
    html = fill(request, response).content.decode()
    assert html.count(PLACEHOLDER) == 1
    assert html.index("ws_token") < html.index(PLACEHOLDER)
    before = response.content
    assert fill(request, response).content == before, "a second middleware leaves the second one alone"


# Headers


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, "private, no-store"),
        ("max-age=60", "private, no-store"),
        ("public, max-age=60, s-maxage=600, immutable", "private, no-store"),
        ("Private, No-Store", "private, no-store"),
        ("no-cache, must-revalidate", "no-cache, must-revalidate, private, no-store"),
        ('no-cache="Set-Cookie, X", stale-while-revalidate=5', "no-cache, private, no-store"),
        ("must-understand, no-store, no-transform", "no-transform, private, no-store"),
    ],
)
def test_cache_control(alice: User, given: str | None, wanted: str) -> None:
    response = HttpResponse(PLACEHOLDER, headers={} if given is None else {"Cache-Control": given})
    assert fill(request_of(alice), response)["Cache-Control"] == wanted


def test_headers_that_speak_of_the_page_before_it_was_filled(alice: User) -> None:
    gone = {
        "ETag": '"x"', "Last-Modified": "Sat, 21 Nov 2026 00:00:00 GMT", "Expires": "Sat, 21 Nov 2026 00:00:00 GMT",
        "Surrogate-Control": "max-age=9", "CDN-Cache-Control": "max-age=9", "Cloudflare-CDN-Cache-Control": "max-age=9",
        "X-Accel-Expires": "9", "Content-Digest": "x",
    }  # fmt: skip
    kept = {"X-Mine": "1", "Content-Language": "de", "Vary": "Accept-Language"}
    response = HttpResponse(PLACEHOLDER, headers={**gone, **kept, "Content-Length": str(len(PLACEHOLDER))})
    fill(request_of(alice), response)
    assert not set(gone) & set(response.headers)
    assert {name: response[name] for name in kept} == {**kept, "Vary": "Accept-Language, Cookie"}
    assert response["Content-Length"] == str(len(response.content))


def test_the_csrf_cookie_is_set_once(alice: User, settings: Settings) -> None:
    request = request_of(alice)
    response = fill(request, HttpResponse(render(request)))
    assert credentials(response.content.decode())["csrf_token"]
    assert "csrftoken" in response.cookies
    assert request.META["CSRF_COOKIE_NEEDS_UPDATE"] is False
    settings.CSRF_USE_SESSIONS = True
    request = request_of(alice)
    response = fill(request, HttpResponse(render(request)))
    assert not response.cookies
    assert request.META["CSRF_COOKIE_NEEDS_UPDATE"] is True, "the CSRF middleware does it"


# Failures


def broken(monkeypatch: pytest.MonkeyPatch, alias: str = "default") -> None:
    """A database that fails."""

    def fail(user: Any) -> None:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    monkeypatch.setattr(channel_access.Channel.objects, "for_user", fail)


def test_a_database_that_fails_breaks_no_page(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken(monkeypatch)
    response = fill(request := request_of(alice), HttpResponse(render(request)))
    html = response.content.decode()
    assert credentials(html) == {}
    assert page(html)["user"] == str(alice.pk)
    assert "Cache-Control" not in response
    assert "database failed" in caplog.text
    page_positions.mark(request)


def test_what_the_view_wrote_survives_a_query_that_failed(
    postgres: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL takes no query after one that failed, and undoes what was before it."""
    alice = User.objects.create_user("alice")
    with transaction.atomic(using=postgres):
        User.objects.create_user("bob")
        with monkeypatch.context() as patch:
            broken(patch, postgres)
            request = request_of(alice)
            fill(request, HttpResponse(render(request)))
        assert caplog.text.count("database failed") == 2
    assert User.objects.filter(username="bob").exists()


def test_a_user_who_cannot_be_read_breaks_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError
    from django.utils.functional import SimpleLazyObject

    def fail() -> Any:
        raise OperationalError("no database")

    request = request_of(SimpleLazyObject(fail))
    html = fill(request, HttpResponse(render(request, "{% load instant %}{% instant_client %}"))).content.decode()
    assert (credentials(html), page(html)["user"]) == ({}, None)


def test_a_server_that_fails_breaks_no_page(alice: User) -> None:
    with fake_server(answer({}, 500)):
        html = filled(request_of(alice))
    assert (names(html), offsets(html)) == (["$users", "news"], {})


def test_a_strange_host_breaks_no_page(alice: User) -> None:
    request = RequestFactory(headers={"host": "evil.example.com"}).get("/")
    request.user = alice
    assert credentials(fill(request, HttpResponse(PLACEHOLDER)).content.decode()) == {}


# What it costs


def test_three_queries_a_page(alice: User) -> None:
    from instant.revocation import repeating

    repeating.resume()
    fill(request_of(alice), HttpResponse(render(request_of(alice))))
    request = request_of(alice)
    page_of(request).fills = True
    with CaptureQueriesContext(connection) as queries:
        fill(request, HttpResponse(render(request)))
    asked = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    # The channels; the fingerprint of the rights, and the one that Django knew.
    assert len(asked) == 3, json.dumps(asked)
