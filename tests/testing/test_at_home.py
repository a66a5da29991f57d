"""A site's tests reach no server: not with the backend "memory" or "console", and not while messages are captured."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client, RequestFactory
from pytest_django import Settings

from instant import apublish, publish
from instant.centrifugo import cent_api
from instant.centrifugo.history_positions import positions
from instant.centrifugo.presence import online, presence
from instant.exceptions import ServerError
from instant.models import Channel, Revocation
from instant.revocation import recheck
from instant.testing import Published, capture_published, live_server
from tests.live_pages import render

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)


@pytest.fixture(params=["memory", "console", "captured"])
def offline(request: pytest.FixtureRequest, settings: Settings, no_sockets: None) -> Iterator[None]:
    if request.param != "captured":
        settings.INSTANT_BROADCAST_WITH = request.param
        yield
        return
    with capture_published():
        yield


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


@pytest.mark.asyncio
@pytest.mark.usefixtures("offline")
async def test_async() -> None:
    await apublish("news", "hi")


def test_a_live_server_is_the_way_out(ann: User, settings: Settings, published: Published) -> None:
    settings.INSTANT_BROADCAST_WITH = "memory"
    with live_server():
        assert cent_api.call("info").nodes
        assert presence("news") == []
    with pytest.raises(ServerError):
        cent_api.call("info")
