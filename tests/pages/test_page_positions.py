"""mark(), amark() and live: where the page joins is taken before the view reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import SynchronousOnlyOperation
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.generic import TemplateView

import instant
from instant import amark, live, mark, publish
from instant.centrifugo import history_positions
from instant.models import Channel
from instant.pages import page_positions
from instant.pages.page_state import page_of
from instant.testing import LiveServer
from tests.fakes import fake_server, silent
from tests.live_pages import PAGE, PLACEHOLDER, asked, credentials, histories, marked, names, offsets, render, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@live
def sync_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render(request))


@live
def publishing(request: HttpRequest) -> HttpResponse:
    publish("$users", "while the view reads")
    return HttpResponse(render(request))


@live
async def async_view(request: HttpRequest) -> HttpResponse:
    # Rendered in the event loop: all that the tag needs is known by now.
    return HttpResponse(render(request, "{% load instant %}{% instant_client %}"))


@live
def template_response(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, "instant/client.html")


@live
async def async_template_response(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, "instant/client.html")


@method_decorator(live, name="dispatch")
class Page(TemplateView):
    template_name = "instant/client.html"


@method_decorator(live, name="dispatch")
class AsyncPage(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(render(request, "{% load instant %}{% instant_client %}"))


class ByMethod(View):
    @method_decorator(live)
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(render(request))


class AsyncByMethod(View):
    @method_decorator(live)
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(render(request, "{% load instant %}{% instant_client %}"))


class Plain(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(render(request, "{% load instant %}{% instant_client %}"))


@live
def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


@live
def streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([PLACEHOLDER])


@live
async def no_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("text")


VIEWS = {
    "sync": sync_view, "async": async_view, "template": template_response, "async_template": async_template_response,
    "class": Page.as_view(), "async_class": AsyncPage.as_view(), "method": ByMethod.as_view(),
    "async_method": AsyncByMethod.as_view(), "as_view": live(Plain.as_view()), "live_twice": live(live(sync_view)),
    "publishing": publishing, "missing": missing, "streaming": streaming, "no_page": no_page,
}  # fmt: skip
#: Before 5.2, Django's method_decorator takes no async methods: the class does not know that it is async.
UNABLE = () if AsyncByMethod.view_is_async else ("async_method",)
PAGES = [name for name in VIEWS if name not in ("publishing", "missing", "streaming", "no_page", *UNABLE)]
urlpatterns = [
    path("instant/", include("instant.urls")),
    *(path(f"{name}/", view) for name, view in VIEWS.items()),
]


@pytest.fixture
def alice() -> User:
    Channel.objects.create(name="users", level="users")
    Channel.objects.create(name="news", level="public")
    return User.objects.create_user("alice")


def request_of(user: Any) -> HttpRequest:
    request = RequestFactory().get("/page/")
    request.user = user
    page_of(request).fills = True
    return request


# mark


def test_the_users_channels_are_marked(alice: User) -> None:
    request = request_of(alice)
    with fake_server(histories()) as server:
        mark(request)
        assert marked(request) == {"$users": 1, "news": 1}
        mark(request)
        html = render(request)
        assert len(server.requests) == 1, "the first counts, and the tag uses it"
    assert PLACEHOLDER in html


def test_only_some_are_marked_and_the_tag_takes_the_rest(alice: User) -> None:
    request = request_of(alice)
    with fake_server(histories()) as server:
        mark(request, ["$users", "$by_name"])
        render(request)
        assert marked(request) == {"$users": 1, "$by_name": 1, "news": 2}
        assert [asked(question) for question in server.requests] == [["$users", "$by_name"], ["news"]]


def test_several_calls_merge(alice: User) -> None:
    request = request_of(alice)
    with fake_server(histories()):
        mark(request, ["news"])
        mark(request)
        mark(request, [])
    assert marked(request) == {"news": 1, "$users": 2}


def test_a_name_is_no_list() -> None:
    with pytest.raises(TypeError, match="list of names"):
        mark(request_of(AnonymousUser()), "news")


def test_nothing_is_asked_for_who_may_not_connect(alice: User) -> None:
    with fake_server(histories()) as server:
        mark(request_of(AnonymousUser()))
        assert server.requests == []


def test_the_user_may_change_in_between(alice: User) -> None:
    """As a view that logs in does."""
    request = request_of(AnonymousUser())
    with fake_server(histories()):
        mark(request)
        request.user = alice
        render(request)
    assert marked(request) == {"$users": 1, "news": 1}


def test_a_mark_that_nothing_uses_says_so(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    page_positions._warn_that_nothing_fills.cache_clear()
    request = RequestFactory().get("/page/")
    request.user = alice
    with fake_server(histories()) as server:
        mark(request)
        mark(request)
        assert server.requests == []
    assert caplog.text.count("InstantMiddleware") == 1


class DrfRequest:
    """As Django REST framework wraps requests."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


def test_a_wrapped_request_is_the_same_page(alice: User) -> None:
    request = RequestFactory().get("/page/")
    request.user = alice
    wrapped: Any = DrfRequest(request)
    page_of(wrapped).fills = True
    with fake_server(histories()):
        mark(wrapped)
    assert set(marked(request)) == {"$users", "news"}


@pytest.mark.django_db(transaction=True)
async def test_amark() -> None:
    from asgiref.sync import sync_to_async

    alice = await User.objects.acreate(username="alice")
    await sync_to_async(Channel.objects.create)(name="users", level="users")
    request = request_of(alice)
    with fake_server(histories()) as server:
        await amark(request)
        await amark(request, ["news", "$users"])
        assert marked(request) == {"$users": 1, "news": 2}
        await amark(request)
        assert len(server.requests) == 2
        with pytest.raises(SynchronousOnlyOperation):
            other = request_of(alice)
            mark(other)


async def test_a_hanging_server_does_not_block_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    import aiohttp  # noqa: F401 - the first import takes as long as the server may

    monkeypatch.setattr(history_positions, "TIMEOUT", 0.3)
    request = request_of(AnonymousUser())
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    with fake_server(silent):
        beating = asyncio.create_task(beat())
        await amark(request, ["a"])  # ends
        beating.cancel()
    assert beats >= 2


# live


@pytest.mark.parametrize("name", PAGES)
def test_live_on_views_of_every_kind(alice: User, client: Client, name: str) -> None:
    client.force_login(alice)
    with fake_server(histories()) as server:
        response = client.get(f"/{name}/")
        assert len(server.requests) == 1
    html = response.content.decode()
    assert (names(html), offsets(html)) == (["$users", "news"], {"$users": 1, "news": 1})
    assert subjects(html) == {str(alice.pk)}
    assert response["Cache-Control"] == "private, no-store"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", PAGES)
async def test_live_under_asgi(name: str) -> None:
    from asgiref.sync import sync_to_async

    alice = await User.objects.acreate(username="alice")
    await sync_to_async(Channel.objects.create)(name="users", level="users")
    browser = AsyncClient()
    await sync_to_async(browser.force_login)(alice)
    with fake_server(histories()):
        html = (await browser.get(f"/{name}/")).content.decode()
    assert (names(html), offsets(html)) == (["$users"], {"$users": 1})


def test_the_position_is_that_of_before_the_view(server: LiveServer, alice: User, client: Client) -> None:
    client.force_login(alice)
    publish("$users", "before")
    assert offsets(client.get("/publishing/").content.decode()) == {"$users": 1, "news": 0}
    assert offsets(client.get("/template/").content.decode()) == {"$users": 2, "news": 0}


def test_where_a_middleware_fills_the_decorator_does_not(alice: User) -> None:
    """What is cached in between would hold tokens."""
    with fake_server(histories()):
        assert PLACEHOLDER in sync_view(request_of(alice)).content.decode()


@pytest.mark.django_db(transaction=True)
async def test_nor_the_async_one() -> None:
    alice = await User.objects.acreate(username="alice")
    with fake_server(histories()):
        assert PLACEHOLDER in (await async_view(request_of(alice))).content.decode()


def test_other_answers_pass(alice: User, client: Client) -> None:
    client.force_login(alice)
    assert client.get("/missing/").status_code == 404
    assert client.get("/streaming/").getvalue().decode() == PLACEHOLDER
    assert client.get("/no_page/").content == b"text"


@pytest.mark.parametrize("name", ["sync", "async"])
def test_visitors(alice: User, client: Client, name: str) -> None:
    with fake_server(histories()) as server:
        assert credentials(client.get(f"/{name}/").content.decode()) is None
        assert server.requests == []
        with override_settings(INSTANT_ALLOW_ANONYMOUS=True):
            assert names(client.get(f"/{name}/").content.decode()) == ["news"]


def test_a_hanging_server_does_not_stall_pages(alice: User, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_positions, "TIMEOUT", 0.2)
    client.force_login(alice)
    with fake_server(silent) as server:
        for _ in range(5):
            assert offsets(client.get("/template/").content.decode()) == {}
    assert len(server.requests) == 1  # that one is waited for


def test_on_a_method_without_method_decorator_it_says_so() -> None:
    class Wrong(View):
        @live
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse()

    class AsyncWrong(View):
        @live
        async def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse()

    with pytest.raises(TypeError, match="method_decorator"):
        Wrong.as_view()(RequestFactory().get("/"))
    with pytest.raises(TypeError, match="method_decorator"):
        asyncio.run(AsyncWrong.as_view()(AsyncRequestFactory().get("/")))


def test_the_views_name_and_marks_stay() -> None:
    assert sync_view.__name__ == "sync_view"
    assert asyncio.iscoroutinefunction(async_view)
    assert not asyncio.iscoroutinefunction(sync_view)


def test_the_public_names() -> None:
    from instant.pages import live_decorator

    assert (instant.mark, instant.amark, instant.live) == (
        page_positions.mark,
        page_positions.amark,
        live_decorator.live,
    )
    assert PAGE
