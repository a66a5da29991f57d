"""The rendered config: what it says, that the real binary takes it, and that both servers do what it says."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser, User
from django.test import override_settings
from pytest_django import Settings

from instant import publish, publish_many
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo import binary, engine, http, process
from instant.centrifugo.config import DEFAULTS, NAMESPACE_OPTIONS, allowed_origins, render
from instant.conf import conf
from instant.exceptions import InvalidSetting
from instant.testing import live_server
from tests.clients import SyncClient
from tests.waiting import PATIENCE

#: Sites of all kinds: their config has to pass `checkconfig` and start without a warning.
SITES: dict[str, dict[str, Any]] = {
    "nothing set": {},
    "in debug": {"DEBUG": True, "ALLOWED_HOSTS": []},
    "any host": {"ALLOWED_HOSTS": ["*"]},
    "hosts of all kinds": {
        "ALLOWED_HOSTS": [".example.com", "[::1]", "10.0.0.1", "a-b.example.org"],
        "CSRF_TRUSTED_ORIGINS": ["https://*.trusted.org", "http://[::1]:3000"],
        "CORS_ALLOWED_ORIGINS": ["https://front.example.org:8443", "null", "file://", "https://GROSS.example.org"],
    },
    "namespaces": {
        "INSTANT_NAMESPACES": {
            "": {"presence": True},
            "chat": {"presence": True, "join_leave": True, "force_push_join_leave": True},
            "state": {"history_size": 1, "history_ttl": "24h", "force_recovery_mode": "cache"},
            "fleeting": {"history_size": 0},
            "a-b_c.D9": {"history_meta_ttl": "1h30m"},
        }
    },
    "old keys": {"SECRET_KEY_FALLBACKS": ["an older key"]},
    "keys of odd characters": {"CENTRIFUGO_HMAC_KEY": "k\"\\'ö\n€" * 9, "CENTRIFUGO_API_KEY": "k\"\\' ${HOME}" * 9},
}


@pytest.fixture(params=SITES, ids=str)
def site(request: pytest.FixtureRequest, settings: Settings) -> str:
    for name, value in SITES[request.param].items():
        setattr(settings, name, value)
    return str(request.param)


def test_the_server_takes_the_config(site: str, centrifugo: None) -> None:
    with process.config_file(render()) as path:
        process.check_config(binary.find_binary(), path)


def test_the_server_starts_without_a_warning(site: str, centrifugo: None, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with live_server("centrifugo", log=log):
        assert publish("public", "hi") is None
    levels = [json.loads(line) for line in log.read_text().splitlines()]
    said = [entry["message"] for entry in levels if entry["level"] not in ("info", "debug")]
    if site == "any host":
        said = [message for message in said if "usage of allowed_origins *" not in message]  # instant.W001 says it too
    assert [message for message in said if "development build" not in message] == []
    assert any(entry["message"] == "starting Centrifugo" for entry in levels)


def test_the_devserver_takes_the_config_without_a_warning(site: str, caplog: pytest.LogCaptureFixture) -> None:
    devserver = pytest.importorskip("instant.devserver.config")
    devserver.load(render())
    assert [record.getMessage() for record in caplog.records] == []


def test_all_options_that_we_take_are_known_to_the_server(centrifugo: None) -> None:
    done = subprocess.run(
        [binary.find_binary(), "defaultconfig", "--dry-run", "-c", "none.json"], capture_output=True, check=True
    )
    known = set(json.loads(done.stdout)["channel"]["without_namespace"])
    assert known >= NAMESPACE_OPTIONS - {"map", "shared_poll"}


def test_what_is_on_by_default() -> None:
    config = render()
    assert config["http_server"] == {"address": "127.0.0.1", "port": 8427}
    assert config["client"]["concurrency"] == 8
    assert config["usage_stats"] == {"disabled": True}
    assert config["client"]["token"] == {"hmac_secret_key": conf.hmac_key}
    assert config["http_api"] == {"key": conf.api_key}
    assert config["channel"]["without_namespace"] == DEFAULTS
    assert config["channel"]["namespaces"] == []
    assert config["engine"] == {"type": "memory"}


def test_nothing_is_opened_to_clients() -> None:
    with override_settings(INSTANT_NAMESPACES={"chat": {}}):
        text = json.dumps(render())
    assert "allow_" not in text
    assert "insecure" not in text


def test_the_config_is_the_same_each_time() -> None:
    with override_settings(ALLOWED_HOSTS=["b.org", "a.org", "b.org"], DEBUG=True):
        assert json.dumps(render()) == json.dumps(render())


@pytest.mark.parametrize(("setting", "given", "port"), [(9000, None, 9000), (9000, 9001, 9001), (None, None, 8427)])
def test_the_port(setting: int | None, given: int | None, port: int) -> None:
    with override_settings(CENTRIFUGO_PORT=setting):
        assert render(port=given)["http_server"]["port"] == port


def test_a_port_in_the_host_is_where_the_server_listens() -> None:
    with override_settings(CENTRIFUGO_HOST="http://localhost:9000"):
        assert render()["http_server"]["port"] == 9000


def test_the_previous_key_is_handed_on() -> None:
    with override_settings(SECRET_KEY="old"):
        before = conf.hmac_key
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert render()["client"]["token"]["hmac_previous_secret_key"] == before


# namespaces


def options(name: str, **values: Any) -> dict[str, Any]:
    with override_settings(INSTANT_NAMESPACES={name: values}):
        channel = render()["channel"]
    return dict(channel["without_namespace"] if name == "" else channel["namespaces"][0])


def test_a_namespace_has_history_and_recovery_unless_it_says_otherwise() -> None:
    assert options("chat") == {"name": "chat", "presence": True, **DEFAULTS}
    assert options("chat", history_size=5, history_ttl="1h")["history_size"] == 5
    assert options("chat", history_size=0) == {"name": "chat", "history_size": 0, "presence": True}
    assert options("chat", presence=False)["presence"] is False
    assert options("", history_ttl="1h") == {**DEFAULTS, "history_ttl": "1h"}


@pytest.mark.parametrize("ttl", [600, "600", "", "1d", "10 s", None, "s", "-1s"])
def test_a_duration_has_its_unit(ttl: object) -> None:
    with pytest.raises(InvalidSetting, match=r"INSTANT_NAMESPACES\['chat'\]: history_ttl is .* with a unit"):
        options("chat", history_ttl=ttl)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="Centrifugo 6 has no option history_live, presense"):
        options("chat", presense=True, history_live=1)


@pytest.mark.parametrize("name", ["x", "a b", "ä" * 3, "$chat", "chat:"])
def test_a_namespace_has_a_name_that_the_server_takes(name: str) -> None:
    with pytest.raises(InvalidSetting, match="is not a valid namespace"):
        options(name)


def test_the_namespace_of_sockets_is_kept() -> None:
    with pytest.raises(InvalidSetting, match="reserved for WebSocket handlers"):
        options("ws")


# engines


@pytest.mark.parametrize(
    "url",
    [
        "redis://r:6379/1",
        "rediss://r:6379",
        "redis+sentinel://s:26379?sentinel_master_name=m&addr=t:26379",
        "redis+cluster://r:7000?addr=s:7000",
    ],
)
def test_redis_is_an_engine_with_a_prefix_of_the_site(url: str) -> None:
    with override_settings(INSTANT_ENGINE=url, SITE_SLUG="shop"):
        config = render()
    assert config["engine"] == {"type": "redis", "redis": {"address": url, "prefix": "centrifugo.shop"}}
    assert config["channel"]["without_namespace"] == DEFAULTS


def test_shards_of_redis() -> None:
    """A password may have a comma."""
    with override_settings(INSTANT_ENGINE="redis://:a,b@r:6379,rediss://s:6379/1"):
        assert render()["engine"]["redis"]["address"] == ["redis://:a,b@r:6379", "rediss://s:6379/1"]
        assert engine.has_history()
        assert engine.has_shared_presence()


def test_postgresql_is_a_broker_and_a_controller() -> None:
    dsn = "postgresql://u:p@h:5432/app"
    with override_settings(INSTANT_ENGINE=dsn):
        config = render()
        assert engine.has_history()
        assert not engine.has_shared_presence()
    assert config["broker"]["postgres"] == {"dsn": dsn, "use_notify": True, "num_shards": 1}
    assert config["controller"] == {"enabled": True, "type": "postgres", "postgres": {"dsn": dsn, "use_notify": True}}
    assert config["channel"]["without_namespace"] == DEFAULTS


@pytest.mark.parametrize("url", ["nats://n:4222", "tls+nats://n:4222", "nats://n:4222,nats://m:4222"])
def test_nats_is_a_broker_without_history(url: str) -> None:
    """With NATS a channel that promises recovery can be joined by nobody (error 108)."""
    namespaces = {"chat": {"presence": True, "history_size": 5, "history_ttl": "1h", "force_recovery": True}}
    namespaces["state"] = {"force_recovery_mode": "cache", "force_positioning": True, "auto_cache_recover": True}
    with override_settings(INSTANT_ENGINE=url, INSTANT_NAMESPACES=namespaces):
        config = render()
    assert config["broker"] == {"enabled": True, "type": "nats", "nats": {"url": url}}
    assert "engine" not in config
    assert config["channel"]["without_namespace"] == {}
    assert config["channel"]["namespaces"] == [{"name": "chat", "presence": True}, {"name": "state"}]


@pytest.mark.parametrize("address", ["", "Memory", "redis", "localhost:6379", "natsy://x", "redis://a,nats://b"])
def test_an_engine_that_is_none_is_refused(address: str) -> None:
    with override_settings(INSTANT_ENGINE=address), pytest.raises(InvalidSetting, match="INSTANT_ENGINE is"):
        render()


@pytest.mark.parametrize(
    "address",
    [
        "redis://127.0.0.1:1",
        "redis://127.0.0.1:1,redis://127.0.0.1:2",
        "redis+cluster://127.0.0.1:1",
        "nats://127.0.0.1:1",
        "postgresql://u:p@127.0.0.1:1/app",
    ],
)
def test_the_server_takes_an_engines_config(address: str, centrifugo: None) -> None:
    namespaces = {"chat": {"history_size": 5, "history_ttl": "1h"}}
    with override_settings(INSTANT_ENGINE=address, INSTANT_NAMESPACES=namespaces):
        with process.config_file(render()) as path:
            process.check_config(binary.find_binary(), path)


# origins


def origins(**values: Any) -> list[str]:
    values = {"ALLOWED_HOSTS": [], "CORS_ALLOWED_ORIGINS": [], "CSRF_TRUSTED_ORIGINS": [], **values}
    with override_settings(**values):
        return allowed_origins()


def both(name: str) -> list[str]:
    return [f"http://{name}", f"http://{name}:*", f"https://{name}", f"https://{name}:*"]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, []),
        ({"ALLOWED_HOSTS": ["a.org"]}, both("a.org")),
        ({"ALLOWED_HOSTS": [".a.org"]}, both("a.org") + both("*.a.org")),
        ({"ALLOWED_HOSTS": ["[::1]"]}, both(r"\[::1\]")),
        ({"ALLOWED_HOSTS": ["A.org"]}, both("a.org")),
        ({"ALLOWED_HOSTS": ["a.org", "*"]}, ["*"]),
        ({"CORS_ALLOW_ALL_ORIGINS": True, "ALLOWED_HOSTS": ["a.org"]}, ["*"]),
        ({"CORS_ALLOWED_ORIGINS": ["https://a.org", "http://b.org:81"]}, ["https://a.org", "http://b.org:81"]),
        ({"CSRF_TRUSTED_ORIGINS": ["https://*.a.org"]}, ["https://a.org", "https://*.a.org"]),
        ({"CSRF_TRUSTED_ORIGINS": ["https://a.org"], "CORS_ALLOWED_ORIGINS": ["https://a.org"]}, ["https://a.org"]),
        ({"DEBUG": True}, both("localhost") + both("127.0.0.1") + both(r"\[::1\]")),
        ({"DEBUG": True, "ALLOWED_HOSTS": ["localhost"]}, both("localhost") + both("127.0.0.1") + both(r"\[::1\]")),
    ],
    ids=repr,
)
def test_origins_come_from_djangos_settings(values: dict[str, Any], wanted: list[str]) -> None:
    assert origins(**values) == wanted


def test_the_settings_of_the_tests_are_those_of_a_plain_site() -> None:
    assert allowed_origins()[0] == "https://front.example.org"
    assert len(allowed_origins()) == 1 + 4 * len(set(django_settings.ALLOWED_HOSTS))


ADMITTED = [
    *("http://localhost", "https://localhost", "http://localhost:8000", "http://127.0.0.1", "http://127.0.0.1:5173"),
    *("http://[::1]", "https://[::1]", "http://[::1]:8000"),
    *("https://example.com", "https://example.com:8443", "https://www.example.com", "https://a.b.example.com"),
    *("http://www.example.com:8000", "https://front.org", "https://trusted.org", "https://x.trusted.org"),
    *("https://EXAMPLE.com", "http://LocalHost:8000"),
]
REFUSED = [
    *("https://evil.org", "https://example.com.evil.org", "https://evilexample.com", "https://example.org", "null"),
    *("https://front.org:8443", "http://front.org", "https://sub.front.org", "http://trusted.org"),
    *("http://localhost.evil.org", "http://1", "http://[::2]", "ftp://localhost"),
    *("http://:", "https://xtrusted.org"),
]


async def status(url: str, origin: str | None) -> int:
    headers = {"Origin": origin} if origin is not None else {}
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(f"{url}/connection/websocket", headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def statuses(url: str, *asked: str | None) -> dict[str | None, int]:
    return dict(zip(asked, await asyncio.gather(*(status(url, origin) for origin in asked)), strict=True))


def test_origins_are_really_admitted_and_refused(server_kind: Any) -> None:
    site: dict[str, Any] = {
        "DEBUG": True,
        "ALLOWED_HOSTS": [".example.com"],
        "CORS_ALLOWED_ORIGINS": ["https://front.org"],
        "CSRF_TRUSTED_ORIGINS": ["https://*.trusted.org"],
    }
    with override_settings(**site), live_server(server_kind) as server:
        found = asyncio.run(statuses(server.url, None, *ADMITTED, *REFUSED))
    assert found == {None: 101, **dict.fromkeys(ADMITTED, 101), **dict.fromkeys(REFUSED, 403)}


def test_any_origin_is_really_any(server_kind: Any) -> None:
    with override_settings(ALLOWED_HOSTS=["*"]), live_server(server_kind) as server:
        found = asyncio.run(statuses(server.url, "https://evil.org", "null", "http://[::1]:8000"))
    assert set(found.values()) == {101}


# what the server makes of it


def test_history_is_kept_and_namespaces_are_known(server_kind: Any) -> None:
    with override_settings(INSTANT_NAMESPACES={"chat": {}, "bare": {"history_size": 0}}), live_server(server_kind):
        for channel in ("$plain", "chat:1", "$chat:1", "bare:1"):
            assert publish(channel, "hi") is None
        for channel in ("$plain", "chat:1", "$chat:1"):
            body = json.dumps({"channel": channel, "limit": -1}).encode()
            assert len(http.post("history", body, PATIENCE)["result"]["publications"]) == 1


def test_a_longer_history_is_given_back_whole(server_kind: Any) -> None:
    with override_settings(INSTANT_NAMESPACES={"long": {"history_size": 500}}), live_server(server_kind) as server:
        visitor = AnonymousUser()
        with SyncClient(server.websocket_url, connection_token(visitor)) as client:
            client.join("long:1", channel_token("long:1", visitor))
            client.run(client.client.disconnect())
            publish_many({"channel": "long:1", "data": number} for number in range(400))
            client.run(client.client.connect())
            client.wait(lambda: len(client.received) == 400, "for what was missed")
            assert [payload["data"] for _, payload in client.received] == list(range(400))


@pytest.mark.parametrize(("value", "rendered"), [(50, 50), (1, 1), (0, 0), (None, 0)])
def test_the_connections_of_a_user(value: int | None, rendered: int) -> None:
    assert render()["client"]["user_connection_limit"] == 50
    with override_settings(INSTANT_USER_CONNECTIONS=value):
        assert render()["client"]["user_connection_limit"] == rendered


def test_one_user_has_so_many_connections_and_visitors_have_any_number(server_kind: Any) -> None:
    ann, ben = (User(pk=number, username=f"user{number}") for number in (1, 2))

    async def connect(http: aiohttp.ClientSession, url: str, token: str) -> Any:
        """Return the socket and the code with which it is closed at once, None if it stays open."""
        socket = await http.ws_connect(f"{url}/connection/websocket")
        await socket.send_str(json.dumps({"id": 1, "connect": {"token": token}}))
        answer = await socket.receive(30)
        return socket, answer.data if answer.type is aiohttp.WSMsgType.CLOSE else None

    async def codes(url: str, *tokens: str) -> list[int | None]:
        async with aiohttp.ClientSession() as http:
            found = [await connect(http, url, token) for token in tokens]
            first = found[0][0]
            await first.close()
            await asyncio.sleep(0.2)
            return [code for _, code in found] + [(await connect(http, url, tokens[0]))[1]]

    visitor, of_ann, of_ben = (connection_token(user) for user in (AnonymousUser(), ann, ben))
    with override_settings(INSTANT_USER_CONNECTIONS=2), live_server(server_kind) as server:
        found = asyncio.run(codes(server.websocket_url, of_ann, of_ann, of_ann, of_ben, *[visitor] * 5))
    assert found == [None, None, 3504, None, *[None] * 5, None]
