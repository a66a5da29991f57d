"""Handlers by name, what the checks say of them, and what the server's config has where there are some."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from pytest_django import Settings

from instant import features, sockets
from instant.access import guards
from instant.centrifugo import binary, process
from instant.centrifugo.config import render
from instant.checks import sockets as checks
from instant.conf import conf
from instant.exceptions import Deny, InvalidHandler, InvalidSetting
from instant.models import Channel
from instant.sockets import WebSocketHandler, registry, socket
from instant.testing import SocketCommunicator
from tests.features import work_out_features

from . import handlers

PATH = f"{handlers.__name__}.Echo"


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


class TestSettings:
    def test_a_name_is_a_dotted_path(self, settings: Settings) -> None:
        settings.INSTANT_SOCKET_HANDLERS = {"default": PATH}
        assert registry.find("") is registry.find("default") is handlers.Echo
        assert sockets.registered() == {"default": handlers.Echo}

    def test_that_of_django_ws_is_read_too(self, settings: Settings) -> None:
        settings.WEBSOCKET_HANDLERS = {"default": PATH, "old": PATH}
        settings.INSTANT_SOCKET_HANDLERS = {"default": f"{handlers.__name__}.Story"}
        assert registry.registered() == {"default": handlers.Story, "old": handlers.Echo}

    def test_a_name_that_is_not_there_is_refused_with_a_reason(self) -> None:
        for name in ("nowhere", ""):
            with pytest.raises(Deny, match=f"there is no socket {name or 'default'!r}") as refusal:
                registry.find(name)
            assert refusal.value.code == 404

    @pytest.mark.parametrize(
        ("name", "path", "why"),
        [
            ("chat", "nowhere.Chat", "cannot be imported"),
            ("chat", f"{handlers.__name__}.Nothing", "cannot be imported"),
            ("chat", "Chat", "cannot be imported"),
            ("chat", "django.contrib.auth.models.User", "is not a subclass of WebSocketHandler"),
            ("a:b", PATH, "is not a valid socket name"),
            ("", PATH, "is not a valid socket name"),
        ],
    )
    def test_what_is_no_handler(self, settings: Settings, name: str, path: str, why: str) -> None:
        settings.INSTANT_SOCKET_HANDLERS = {name: path}
        with pytest.raises(InvalidSetting, match=why):
            registry.registered()
        (found,) = checks.check_handlers(None)
        assert (found.id, why in found.msg) == ("instant.E050", True)


class TestDecorator:
    def test_it_names_a_handler(self, monkeypatch: pytest.MonkeyPatch) -> None:
        @socket("chat")
        class Chat(WebSocketHandler):
            pass

        @socket()
        class Default(WebSocketHandler):
            pass

        assert registry.find("chat") is Chat
        assert registry.find("") is Default
        work_out_features(monkeypatch)
        assert features.in_use().sockets

    def test_settings_come_first(self, settings: Settings) -> None:
        socket("chat")(handlers.Story)
        settings.INSTANT_SOCKET_HANDLERS = {"chat": PATH}
        assert registry.find("chat") is handlers.Echo
        assert registry.registered() == {"chat": handlers.Echo}

    def test_two_classes_of_one_name(self) -> None:
        socket("chat")(handlers.Story)
        socket("chat")(handlers.Story)  # a module that is imported again
        with pytest.raises(InvalidHandler, match=r"two classes handle .*\.Story and .*\.Echo"):
            socket("chat")(handlers.Echo)

    def test_without_parentheses(self) -> None:
        with pytest.raises(InvalidHandler, match="with parentheses"):
            socket(handlers.Echo)  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["", "a:b", "ä", "x" * 101, "with space"])
    def test_names(self, name: str) -> None:
        with pytest.raises(InvalidHandler, match="is not a valid socket name"):
            socket(name)(handlers.Echo)

    def test_what_is_no_handler(self) -> None:
        with pytest.raises(InvalidHandler, match="is not a subclass of WebSocketHandler"):
            socket("chat")(User)  # type: ignore[type-var]


class TestChecks:
    def test_nothing_to_say(self, site: Settings) -> None:
        assert checks.check_handlers(None) + checks.check_addresses(None) == []

    def test_without_handlers_addresses_do_not_matter(self, settings: Settings) -> None:
        settings.INSTANT_SOCKETS_URL = "nonsense"
        assert checks.check_addresses(None) == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("INSTANT_SOCKETS_URL", "http://127.0.0.1:8428"),
            ("INSTANT_SOCKETS_URL", "grpc://127.0.0.1"),
            ("INSTANT_SOCKETS_URL", "grpc://127.0.0.1:x"),
            ("INSTANT_SOCKETS_BRIDGE", "http://127.0.0.1:8429/path"),
            ("INSTANT_SOCKETS_BRIDGE", 8429),
            ("INSTANT_SOCKETS_LIMIT", 0),
        ],
    )
    def test_a_wrong_address_or_number(self, site: Settings, name: str, value: Any) -> None:
        setattr(site, name, value)
        (found,) = checks.check_addresses(None)
        assert found.id == "instant.E051"
        assert name in found.msg

    def test_a_worker_that_lacks_grpc(self, site: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "grpc" else find_spec(name))
        (found,) = checks.check_handlers(None)
        assert (found.id, "pip install django-instant[sockets]" in str(found.hint)) == ("instant.W050", True)
        site.INSTANT_SOCKET_HANDLERS = {}
        assert checks.check_handlers(None) == []

    def test_gRPC_is_not_imported_by_a_site(self) -> None:
        code = (
            "import django, sys; django.setup(); import instant.sockets; import instant.testing.sockets;"
            "print([name for name in ('grpc', 'google.protobuf', 'aiohttp') if name in sys.modules])"
        )
        command = [sys.executable, "-c", code]
        environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.stdout.strip() == "[]", done.stderr


class TestConfig:
    def test_nothing_without_handlers(self) -> None:
        config = render()
        assert "proxy" not in config["channel"]
        assert config["channel"]["namespaces"] == []

    @pytest.mark.parametrize("declared", ["settings", "settings of django-ws", "decorator"])
    def test_a_namespace_and_a_proxy_with_them(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, declared: str
    ) -> None:
        if declared == "decorator":
            socket("chat")(handlers.Echo)
            work_out_features(monkeypatch)
        else:
            name = "INSTANT_SOCKET_HANDLERS" if declared == "settings" else "WEBSOCKET_HANDLERS"
            setattr(settings, name, {"chat": PATH})
        settings.INSTANT_SOCKETS_URL = "grpc://10.0.0.5:1234/"
        channel = render()["channel"]
        (namespace,) = channel["namespaces"]
        assert namespace == {
            "name": "ws",
            "subscribe_stream_proxy_enabled": True,
            "subscribe_stream_proxy_bidirectional": True,
        }
        proxy = channel["proxy"]["subscribe_stream"]
        assert proxy["endpoint"] == "grpc://10.0.0.5:1234"
        assert conf.proxy_secret in proxy["grpc"]["static_metadata"].values()

    @pytest.mark.usefixtures("centrifugo")
    def test_the_server_takes_it(self, site: Settings) -> None:
        with process.config_file(render()) as path:
            process.check_config(binary.find_binary(), path)

    @pytest.mark.parametrize("name", ["ws:chat", "ws:chat:1", "$ws:chat"])
    def test_no_channel_is_in_its_namespace(self, name: str) -> None:
        with pytest.raises(ValidationError, match="reserved for WebSocket handlers"):
            Channel(name=name, level="users" if name.startswith("$") else "public").clean()


def test_permissions_that_are_methods_of_a_class() -> None:
    class Classy(WebSocketHandler):
        @classmethod
        def permission(cls, user: Any) -> bool:
            return bool(user.is_staff)

    handler = Classy()
    handler.user = User(is_staff=True)
    assert guards.handler_guard(Classy).allows(handler.user, handler) is True
    handler.user = User()
    assert guards.handler_guard(Classy).allows(handler.user, handler) is False


async def test_a_user_who_is_not_active_is_no_visitor(db: None) -> None:
    """What was signed an hour ago may name somebody who is not active any more."""
    with pytest.raises(Deny, match="permission denied"):
        await SocketCommunicator(handlers.Story, User(pk=1, username="gone", is_active=False)).open()
