"""A site's tests reach no server: not with the backend "memory" or "console", and not while messages are captured."""

from __future__ import annotations

import socket
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.contrib import messages
from django.contrib.auth.models import Group, User
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.backends.cache import SessionStore
from django.core.management import call_command
from django.db import transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from pytest_django import Settings

from instant import amark, apublish, apublish_many, flush, publish, publish_many, publish_to_users, user_channel
from instant.access.session_binding import bound_meta
from instant.backends import get_backend
from instant.backends.memory import MemoryBackend
from instant.centrifugo import cent_api, http
from instant.centrifugo.history_positions import positions
from instant.centrifugo.presence import apresence, online, presence
from instant.events import OP_UPDATE, BaseEventModel, Event
from instant.exceptions import ServerError
from instant.html import astream, stream
from instant.models import Channel, Revocation
from instant.pages.page_state import page_of
from instant.process_state import PerProcess
from instant.revocation import arecheck, recheck
from instant.sockets import EVERYONE, WebSocketHandler
from instant.testing import Published, SocketCommunicator, capture_published, live_server
from instant.windows import (
    BROADCAST,
    SERVER,
    USER,
    WINDOW,
    WindowInfo,
    atrigger,
    deliver_messages,
    everyone,
    set_websocket_topics,
    signal,
    trigger,
)
from instant.windows.topics import channel_of
from tests.blog.models import Post
from tests.features import use_features
from tests.live_pages import render
from tests.proxies.calls import BODY, error, post

pytestmark = pytest.mark.django_db(transaction=True)


Sent = Callable[[], list[str]]


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Make each socket raise, and fail the test even if the code under test has caught that.

    The two ends of `socketpair()`, with which an event loop wakes itself, are not opened: they get a `fileno`.
    """
    opened: list[str] = []
    before = socket.socket.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) < 4 and kwargs.get("fileno") is None:
            opened.append("".join(traceback.format_stack(limit=12)))
            raise AssertionError("a socket was opened")
        before(self, *args, **kwargs)

    def connect(*_: Any) -> None:
        opened.append("".join(traceback.format_stack(limit=12)))
        raise AssertionError("a socket was connected")

    monkeypatch.setattr(socket.socket, "__init__", init)
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    monkeypatch.setattr(http, "_pools", PerProcess(dict))  # another test's pool may have an open connection
    yield opened
    assert not opened, opened[0]


def test_a_socket_raises_here(no_sockets: list[str]) -> None:
    for use in (socket.socket, lambda: socket.create_connection(("127.0.0.1", 9))):
        with pytest.raises(AssertionError, match="a socket was opened"):
            use()
    left, right = socket.socketpair()
    left.send(b"x")
    assert right.recv(1) == b"x"
    with pytest.raises(AssertionError, match="a socket was connected"):
        left.connect("/nowhere")
    left.close()
    right.close()
    assert len(no_sockets) == 3
    no_sockets.clear()


@pytest.fixture(params=["memory", "console", "captured"])
def offline(
    request: pytest.FixtureRequest, settings: Settings, no_sockets: list[str], capsys: pytest.CaptureFixture[str]
) -> Iterator[Sent]:
    """Send no requests. The value is a function that returns the channels of all messages."""
    if request.param == "captured":
        with capture_published() as published:
            yield lambda: [message.channel for message in published]
        return
    settings.INSTANT_BROADCAST_WITH = request.param
    backend = get_backend()
    if isinstance(backend, MemoryBackend):
        backend.clear()
        yield lambda: [message.channel for message in backend.messages]
    else:
        yield lambda: [line.split()[1] for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password="pw", is_staff=True)


@pytest.mark.usefixtures("offline")
def test_whatever_a_site_does(ann: User) -> None:
    before = threading.active_count()
    Channel.objects.create(name="$staff", level="staff")
    group = Group.objects.create(name="editors")
    ann.groups.add(group)
    browser = Client()
    browser.force_login(ann)
    assert browser.get("/instant/get_token/").status_code == 200
    request = RequestFactory().get("/")
    request.user, request.session = ann, browser.session
    render(request)
    publish("$staff", "hi")
    ann.is_staff = False
    ann.save()
    ann.groups.clear()
    Channel.objects.update(is_active=False)
    recheck(users=[ann], channels=["$staff"])
    call_command("recheck")
    browser.post("/instant/logout/")
    User.objects.all().delete()
    assert Revocation.objects.exists()
    assert threading.active_count() == before


@pytest.mark.usefixtures("offline")
def test_questions_have_the_answers_of_a_server_without_clients(ann: User) -> None:
    assert presence("$staff") == []
    assert online([ann]) == []
    assert positions(["$staff"]) == {}
    assert cent_api.subscribers("$staff") == 0
    assert cent_api.private_channels() == set()


@pytest.mark.usefixtures("offline")
def test_what_only_a_server_knows_is_an_error() -> None:
    with pytest.raises(ServerError, match=r"no request was sent to the server, because .*; use live_server\(\)"):
        cent_api.call("info")


# windows, model events, sockets


happened: list[str] = []


class PostEvents(BaseEventModel):
    model = Post
    fields = ("title",)
    channel = "$posts"


class Echo(WebSocketHandler):
    """Publishes what it receives, and sends it back."""

    permission = EVERYONE

    def on_message(self, message: Any) -> None:
        publish("$posts", f"echo {message}")
        trigger(None, "home.run", to=[BROADCAST, SERVER], text=f"echo {message}")
        self.send(message)


class AsyncEcho(WebSocketHandler):
    permission = EVERYONE

    async def on_message(self, message: Any) -> None:
        await apublish("$posts", f"echo {message}")
        await atrigger(None, "home.run", to=[BROADCAST, SERVER], text=f"echo {message}")
        await self.asend(message)


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch, windows=True, sockets=True)
    happened.clear()

    @signal("home.run", is_allowed_to=everyone)
    def run(window_info: WindowInfo, text: str) -> str:
        happened.append(f"run {text}")
        return text

    @signal("home.call", is_allowed_to=everyone)
    def called(window_info: WindowInfo, text: str) -> str:
        publish("$posts", f"called {text}")
        stream("$posts", "remove", "#x")
        trigger(window_info, "home.run", to=[WINDOW, USER, SERVER], text=f"by a call: {text}")
        return text


@pytest.fixture
def request_of_ann(ann: User) -> HttpRequest:
    """A request with a window, a session, and a message of Django's."""
    request = RequestFactory().post("/")
    request.user, request.session = ann, SessionStore()
    page_of(request).fills = True
    MessageMiddleware(lambda request: None).process_request(request)
    messages.info(request, "Saved")
    return request


def channels_of(request: HttpRequest, *topics: Any) -> list[str]:
    info = WindowInfo.from_request(request)
    return [str(channel_of(topic, info)) for topic in topics]


@pytest.mark.parametrize("in_transaction", [False, True])
def test_signals_messages_streams_and_events(offline: Sent, request_of_ann: HttpRequest, in_transaction: bool) -> None:
    everywhere = [WINDOW, USER, BROADCAST, "topic", SERVER]
    before = threading.active_count()
    with transaction.atomic() if in_transaction else nullcontext():
        set_websocket_topics(request_of_ann, "topic")
        trigger(request_of_ann, "home.run", to=everywhere, text="1")
        trigger(request_of_ann, "home.run", to=everywhere, immediate=True, text="2")
        assert deliver_messages(request_of_ann, to=everywhere) == 1
        stream("$posts", "append", "#list", html="<li>one</li>", on_commit=True)
        stream("$posts", "refresh")
        Event("shop.sold").send("$shop", {"item": 5})
        publish_many([{"channels": ["$posts", "news"], "message": "hi"}], wait=True)
        publish_to_users(User.objects.all(), "hi")
    assert sorted(happened) == ["run 1", "run 2"]
    assert flush(1)
    names = Counter(offline())
    assert {name: names.pop(name) for name in ("$posts", "$shop", "news")} == {"$posts": 3, "$shop": 1, "news": 1}
    assert names.pop(user_channel(request_of_ann.user)) == 1
    assert names == dict.fromkeys(channels_of(request_of_ann, WINDOW, USER, BROADCAST, "topic"), 3)
    assert threading.active_count() == before


def test_model_events(offline: Sent) -> None:
    PostEvents().register()
    try:
        post = Post.objects.create(title="One")
        with transaction.atomic():
            post.title = "Two"
            post.save()
            PostEvents.emit(post, OP_UPDATE)
        assert PostEvents.emit_many(Post.objects.all(), OP_UPDATE) == 1
        Post.objects.all().delete()
        assert offline() == ["$posts"] * 4  # the update and emit() are one event of the transaction
    finally:
        PostEvents.unregister()


def test_a_call_from_a_browser(offline: Sent, ann: User) -> None:
    meta = bound_meta(ann, "", "w1")
    body = {**BODY, "user": str(ann.pk), "meta": meta, "method": "home.call", "data": {"text": "hi"}}
    assert post(body).json() == {"result": {"data": {"value": "hi"}}}
    assert happened == ["run by a call: hi"]
    assert Counter(name.partition(":")[0] for name in offline()) == {"$posts": 2, "$page": 2}
    assert error(post({**body, "method": "home.nowhere"}))[0] == 404


@pytest.mark.asyncio
async def test_async(offline: Sent, request_of_ann: HttpRequest) -> None:
    await apublish("news", "hi")
    await apublish_many([{"channel": "news", "message": "hi"}], wait=True)
    await astream("news", "append", "#list", html="<li>one</li>")
    await Event("shop.sold").asend("$shop", {"item": 5})
    await atrigger(request_of_ann, "home.run", to=[SERVER, BROADCAST, USER, WINDOW, "topic"], text="hi")
    assert happened == ["run hi"]
    post = await Post.objects.acreate(title="One")
    await PostEvents.aemit(post, OP_UPDATE)
    names = offline()
    assert names[:4] == ["news", "news", "news", "$shop"]
    assert set(channels_of(request_of_ann, BROADCAST, USER, WINDOW, "topic")) < set(names)
    assert names[-1] == "$posts"
    await arecheck(channels=["$staff"], topics=["topic"])
    assert await apresence("$staff") == []
    await amark(request_of_ann, ["news"])


@pytest.mark.asyncio
@pytest.mark.parametrize("handler", [Echo, AsyncEcho])
async def test_a_socket_handler(offline: Sent, handler: type[WebSocketHandler], ann: User) -> None:
    async with SocketCommunicator(handler, ann) as opened:
        await opened.open("hi")
        assert await opened.receive() == "hi"
    assert happened == ["run echo hi"]
    assert offline() == ["$posts", channel_of(BROADCAST, WindowInfo())]


def test_a_live_server_is_the_way_out(ann: User, settings: Settings, published: Published) -> None:
    settings.INSTANT_BROADCAST_WITH = "memory"
    with live_server():
        assert cent_api.call("info").nodes
        assert presence("news") == []
    with pytest.raises(ServerError):
        cent_api.call("info")
