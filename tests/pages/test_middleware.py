"""InstantMiddleware, on sync and async stacks."""

from __future__ import annotations

import re
import threading

import pytest
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import include, path
from pytest_django import Settings

from instant import amark, live, mark
from instant.centrifugo.history_positions import Position, positions
from instant.models import Channel
from instant.pages import middleware, page_positions
from instant.pages.middleware import InstantMiddleware
from tests.fakes import fake_server
from tests.live_pages import PLACEHOLDER, histories, names, offsets, render

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def marked(request: HttpRequest) -> HttpResponse:
    mark(request)
    return HttpResponse(render(request))


async def async_marked(request: HttpRequest) -> HttpResponse:
    await amark(request)
    return HttpResponse(render(request, "{% load instant %}{% instant_client %}"))


async def late(request: HttpRequest) -> HttpResponse:
    """Rendered in the loop, with a stream that nobody marked."""
    await amark(request)
    text = '{% load instant %}{% instant_client %}{% instant_stream "$elsewhere" %}'
    return HttpResponse(render(request, text))


def template(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, "instant/client.html")


async def text(request: HttpRequest) -> HttpResponse:
    return HttpResponse("text")


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([PLACEHOLDER])


urlpatterns = [
    path("instant/", include("instant.urls")),
    *(path(f"{view.__name__}/", view) for view in (marked, async_marked, late, template, text, streaming)),
    path("live/", live(marked)),
    path("async_live/", live(async_marked)),
]
PAGES = ["marked", "async_marked", "template", "live", "async_live"]


@pytest.fixture(autouse=True)
def alice(settings: Settings) -> User:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "instant.middleware.InstantMiddleware"]
    Channel.objects.create(name="users", level="users")
    return User.objects.create_user("alice")


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_filled(alice: User, client: Client, name: str) -> None:
    client.force_login(alice)
    with fake_server(histories()) as server:
        html = client.get(f"/{name}/").content.decode()
        assert (names(html), offsets(html)) == (["$users"], {"$users": 1})
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", PAGES)
async def test_pages_are_filled_under_asgi(alice: User, name: str) -> None:
    client = AsyncClient()
    await sync_to_async(client.force_login)(alice)
    with fake_server(histories()) as server:
        html = (await client.get(f"/{name}/")).content.decode()
        assert (names(html), offsets(html)) == (["$users"], {"$users": 1})
        assert len(server.requests) == 1


async def test_what_is_named_in_the_loop_is_asked_for_in_a_thread(
    alice: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = AsyncClient()
    settings.INSTANT_USERS_CHANNELS = [["$elsewhere", ["/other/"]]]
    await sync_to_async(client.force_login)(alice)
    threads = []

    def counted(wanted: list[str]) -> dict[str, Position]:
        threads.append(threading.current_thread())
        return positions(wanted)

    monkeypatch.setattr(page_positions, "positions", counted)
    with fake_server(histories()):
        html = (await client.get("/late/")).content.decode()
    assert sorted(names(html)) == sorted(offsets(html)) == ["$elsewhere", "$users"]
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


async def test_other_answers_need_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "fill", None)
    assert (await AsyncClient().get("/text/")).content == b"text"


def test_streams_pass(client: Client) -> None:
    assert client.get("/streaming/").getvalue().decode() == PLACEHOLDER


def test_it_is_of_the_kind_of_what_it_calls() -> None:
    async def get_response(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert iscoroutinefunction(InstantMiddleware(get_response))
    assert not iscoroutinefunction(InstantMiddleware(lambda request: HttpResponse()))
    assert InstantMiddleware(lambda request: HttpResponse("x"))(RequestFactory().get("/")).content == b"x"  # type: ignore[union-attr]


def test_the_nonce_is_that_of_the_answers_policy(client: Client, settings: Settings) -> None:
    csp = pytest.importorskip("django.utils.csp", reason="Django 6").CSP
    settings.MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware", *settings.MIDDLEWARE]
    settings.SECURE_CSP = {"script-src": [csp.SELF, csp.NONCE]}
    response = client.get("/template/")
    (nonce,) = set(re.findall(r'nonce="([^"]*)"', response.content.decode()))
    assert f"'nonce-{nonce}'" in response["Content-Security-Policy"]
