"""The main job, from Python to a client of the official SDK: on every server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.test import Client, override_settings

from instant import publish, publish_many
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo import cent_api
from instant.centrifugo.binary import find_binary
from instant.models import Channel
from instant.testing import LiveServer, live_server
from instant.testing.live_servers import free_port
from tests.clients import SyncClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    user = User.objects.create_user("alice", password="pw")
    user.groups.add(Group.objects.create(name="editors"))
    return user


@pytest.fixture
def channels(server: LiveServer) -> None:
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="users", level="users")
    Channel.objects.create(name="staff", level="staff")
    Channel.objects.create(name="chat:editors", level="groups").groups.add(Group.objects.get(name="editors"))


@pytest.fixture
def answer(alice: User, channels: None, server: LiveServer) -> dict:
    """What a browser gets from login."""
    response = Client().post(
        "/instant/login/", {"username": "alice", "password": "pw"}, content_type="application/json"
    )
    return response.json()


@pytest.fixture
def client(answer: dict, server: LiveServer) -> Iterator[SyncClient]:
    with SyncClient(server.websocket_url, answer["ws_token"]) as client:
        for channel in answer["channels"]:
            client.join(channel["name"], channel["token"])
        yield client


def test_a_message_published_in_python_arrives(
    client: SyncClient, answer: dict, server: LiveServer, alice: User
) -> None:
    assert answer["websocket_url"].endswith(f":{server.port}")
    names = [channel["name"] for channel in answer["channels"]]
    assert names == ["$chat:editors", f"$user.{alice.pk}", "$users", "news"]
    for name in names:
        publish(name, f"hi {name} ☃", data={"n": 1}, event_class="info", bucket="b")
    client.wait(lambda: len(client.received) == len(names), "for all messages")
    assert [(name, payload["message"]) for name, payload in client.received] == [(n, f"hi {n} ☃") for n in names]
    payload = client.received[0][1]
    assert list(payload) == ["site", "uid", "timestamp", "message", "data", "event_class", "bucket"]
    assert payload["site"] == "Site"
    assert payload["data"] == {"n": 1}


def test_nobody_joins_what_django_did_not_sign(client: SyncClient, alice: User) -> None:
    for name in ("$staff", "staff", "undeclared", "chat:undeclared"):
        with pytest.raises(AssertionError, match="103"):
            client.join(name)
    publish("$staff", "secret")
    publish("news", "open")
    client.wait(lambda: client.texts() == ["open"], "for the open message only")


@pytest.mark.parametrize("wrong", ["another user's", "another channel's"])
def test_a_token_of_something_else_closes_the_connection(client: SyncClient, alice: User, wrong: str) -> None:
    bob = User.objects.create_user("bob")
    token = channel_token("$staff", bob) if wrong == "another user's" else channel_token("$users", alice)
    with pytest.raises(AssertionError):
        client.join("$staff", token)
    assert client.wait_for("disconnected") == 3500


def test_who_was_away_gets_all_in_order_once(client: SyncClient, answer: dict) -> None:
    client.run(client.client.disconnect())
    publish_many([{"channel": "$users", "message": str(number)} for number in range(50)])
    client.run(client.client.connect())
    client.wait(lambda: len(client.received) >= 50, "for what was missed")
    publish("$users", "50")
    client.wait(lambda: "50" in client.texts(), "for the next one")
    assert client.texts() == [str(number) for number in range(51)]


def test_visitors_get_public_channels_where_the_site_lets_them(channels_for_visitors: dict, server: LiveServer) -> None:
    answer = channels_for_visitors
    assert [channel["name"] for channel in answer["channels"]] == ["news"]
    with SyncClient(server.websocket_url, answer["ws_token"]) as visitor:
        visitor.join("news", answer["channels"][0]["token"])
        publish("news", "for all")
        visitor.wait(lambda: visitor.texts() == ["for all"])


@pytest.fixture
def channels_for_visitors(settings, server: LiveServer) -> dict:
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="users", level="users")
    settings.INSTANT_ALLOW_ANONYMOUS = True
    return Client().get("/instant/get_token/").json()


def test_an_old_secret_key_still_opens(alice: User, settings, server_kind: str) -> None:
    old_token, old_key = connection_token(alice), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key " * 6, [old_key]
    with live_server(server_kind) as server:  # started with the new settings
        for token in (old_token, connection_token(alice)):
            with SyncClient(server.websocket_url, token) as client:
                assert client.happened[-1] == ("connected", 0)


def test_the_admin_counts_subscribers(client: SyncClient) -> None:
    assert cent_api.subscribers("$users") == 1
    assert cent_api.subscribers("$staff") == 0
    assert cent_api.subscribers("odd*[name]?{a,b}\\!") == 0
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    row = Channel.objects.get(name="$users")
    page = browser.get(f"/admin/instant/channel/{row.pk}/change/").content.decode()
    assert '<div class="readonly">1</div>' in page.replace("\n", "")


def test_positions_and_presence_need_their_options(client: SyncClient) -> None:
    assert [each.user for each in cent_api.clients_in(["$users"])["$users"] or []] != []
    publish("$users", "one")
    assert cent_api.call("history", channel="$users", limit=0).offset >= 1


@pytest.fixture
def genconfig(centrifugo: None, tmp_path: Path) -> Iterator[LiveServer]:
    """A Centrifugo set up as its own manual says: by genconfig, with its keys in Django's settings."""
    binary = find_binary()
    path = tmp_path / "config.json"
    subprocess.run([binary, "genconfig", "-c", path], check=True, capture_output=True)
    config = json.loads(path.read_text())
    port = free_port()
    config["http_server"] = {"address": "127.0.0.1", "port": port}
    config["usage_stats"] = {"disabled": True}
    with override_settings(
        CENTRIFUGO_PORT=port,
        CENTRIFUGO_HMAC_KEY=config["client"]["token"]["hmac_secret_key"],
        CENTRIFUGO_API_KEY=config["http_api"]["key"],
    ):
        server = LiveServer("centrifugo", config)
        server.start()
        yield server
        server.stop()


def test_the_main_job_on_a_server_from_genconfig(genconfig: LiveServer, alice: User) -> None:
    for name, level in (("news", "public"), ("users", "users"), ("staff", "staff")):
        Channel.objects.create(name=name, level=level)
    browser = Client()
    browser.force_login(alice)
    answer = browser.get("/instant/get_token/").json()
    assert [channel["name"] for channel in answer["channels"]] == [f"$user.{alice.pk}", "$users", "news"]
    with SyncClient(genconfig.websocket_url, answer["ws_token"]) as client:
        for channel in answer["channels"]:
            client.join(channel["name"], channel["token"])
        publish("$users", "hello")
        publish("news", "world")
        client.wait(lambda: client.texts() == ["hello", "world"])
        with pytest.raises(AssertionError, match="103"):
            client.join("$staff")
        assert cent_api.subscribers("news") == 1
    with SyncClient(genconfig.websocket_url, connection_token(AnonymousUser())) as visitor:
        with pytest.raises(AssertionError, match="103"):
            visitor.join("news")
