"""What the server's config says of calls from browsers, and what `manage.py check` says of its settings."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from django.urls import path
from pytest_django import Settings

from instant.centrifugo import binary, process
from instant.centrifugo.config import render
from instant.checks.calls import check_backend_url, check_secret
from instant.checks.settings import check_settings
from instant.conf import conf
from instant.exceptions import InvalidSetting
from instant.testing import live_server
from instant.views import rpc
from tests.features import use_features

#: A project that leaves our urls out.
urlpatterns: list[Any] = []


class Elsewhere:
    """A project with our view at a place of its own."""

    urlpatterns = [path("a/b/calls/", rpc, name="instant-rpc")]


@pytest.fixture
def in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch, windows=True)


def test_a_site_without_signals_takes_no_calls() -> None:
    config = render()
    assert "rpc" not in config
    assert config["channel"]["namespaces"] == []
    assert conf.proxy_secret not in json.dumps(config)


def test_a_site_with_signals(in_use: None) -> None:
    config = render()
    assert config["rpc"] == {
        "proxy": {
            "endpoint": "http://localhost:8000/instant/proxy/rpc/",
            "timeout": "3000ms",
            "include_connection_meta": True,
            "http_headers": ["User-Agent", "Accept-Language"],
            "http": {"static_headers": {"X-Instant-Secret": conf.proxy_secret}},
        },
        "without_namespace": {"proxy_enabled": True},
    }
    assert config["client"]["channel_limit"] == 1024
    (page,) = config["channel"]["namespaces"]
    kept = {"history_size": 20, "history_ttl": "60s", "history_meta_ttl": "600s", "force_recovery": True}
    assert page == {"name": "page", "presence": True, **kept}


def test_the_endpoint_is_that_of_the_settings(in_use: None, settings: Settings) -> None:
    settings.INSTANT_BACKEND_URL, settings.INSTANT_PROXY_TIMEOUT = "https://10.0.0.5:8443/sub/", 0.25
    settings.INSTANT_PROXY_SECRET = "s3cret"
    settings.ROOT_URLCONF = Elsewhere
    proxy = render()["rpc"]["proxy"]
    assert proxy["endpoint"] == "https://10.0.0.5:8443/sub/a/b/calls/"
    assert proxy["timeout"] == "250ms"
    assert proxy["http"] == {"static_headers": {"X-Instant-Secret": "s3cret"}}


def test_with_nats_pages_have_no_history(in_use: None, settings: Settings) -> None:
    settings.INSTANT_ENGINE = "nats://localhost:4222"
    assert render()["channel"]["namespaces"] == [{"name": "page"}]


def test_the_server_takes_it_and_starts_without_a_warning(in_use: None, centrifugo: None, tmp_path: Path) -> None:
    with process.config_file(render()) as file:
        process.check_config(binary.find_binary(), file)
    log = tmp_path / "log"
    with live_server("centrifugo", log=log):
        pass
    said = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["level"] not in ("info", "debug")]
    assert [entry for entry in said if "development build" not in entry["message"]] == []


def test_the_devserver_takes_it_without_a_warning(in_use: None, caplog: pytest.LogCaptureFixture) -> None:
    with live_server("dev"):
        pass
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_namespace_of_pages_is_taken(in_use: None, settings: Settings) -> None:
    settings.INSTANT_NAMESPACES = {"page": {"presence": True}}
    with pytest.raises(InvalidSetting, match="reserved for the channels of pages"):
        render()


def test_it_is_free_without_signals(settings: Settings) -> None:
    settings.INSTANT_NAMESPACES = {"page": {"presence": True}}
    assert [namespace["name"] for namespace in render()["channel"]["namespaces"]] == ["page"]


WRONG = {
    "INSTANT_BACKEND_URL": [
        *("", "localhost:8000", "grpc://localhost:8000", "ftp://x", "http://", "http://[::1", "http://h:99999"),
        *("http://h:0", "http://h/?a=b", "http://h/#a", "http://h/ö", "http://h/\n", 5, None),
    ],
    "INSTANT_PROXY_SECRET": ["ö", "a\nb", "a\x00", 5, b"x"],
    "INSTANT_PROXY_TIMEOUT": [0, -1, 0.0001, "3s", None, True, float("nan"), float("inf"), 3601],
    "INSTANT_RPC_RATE": ["100", "100/10", "0/1s", "1/0s", "1/0.0s", "-1/1s", "1/1m", "x/ys", 100, (100, 10), "1/.s"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_wrong_settings(name: str, value: Any, settings: Settings, in_use: None) -> None:
    setattr(settings, name, value)
    found = check_settings(None)
    assert [message.id for message in found] == ["instant.E001"]
    assert name in str(found[0].msg)
    if name == "INSTANT_PROXY_SECRET":
        assert str(value) not in str(found[0].msg)
    assert check_backend_url(None) == []


@pytest.mark.parametrize(
    ("text", "rate"), [("100/10s", (100, 10.0)), ("1/0.5s", (1, 0.5)), ("5/.5s", (5, 0.5)), (None, None), ("", None)]
)
def test_rates(text: str | None, rate: tuple[int, float] | None, settings: Settings) -> None:
    settings.INSTANT_RPC_RATE = text
    assert conf.rpc_rate == rate


# Checks


def ids() -> list[str]:
    return [str(message.id) for message in check_backend_url(None)]


def test_nothing_to_say(in_use: None) -> None:
    assert ids() == []


def test_nothing_is_said_without_signals(settings: Settings) -> None:
    settings.ROOT_URLCONF, settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = __name__, [], True
    assert ids() == []
    assert check_secret(None) == []


def test_a_project_without_our_urls(in_use: None, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    assert ids() == ["instant.E045"]
    assert "rpc" not in render()


@pytest.mark.parametrize(
    ("url", "hosts", "debug", "expected"),
    [
        ("http://localhost:8000", ["example.org"], False, ["instant.W045"]),
        ("http://localhost:8000", ["example.org", "localhost"], False, []),
        ("http://localhost:8000", [], True, []),
        ("http://localhost:8000", [], False, ["instant.W045"]),
        ("http://user:pw@10.0.0.5:80", ["10.0.0.5"], False, []),
        ("http://10.0.0.5:80", [".example.org"], False, ["instant.W045"]),
        ("http://a.example.org", [".example.org"], False, []),
        ("http://[::1]:8000", ["[::1]"], False, []),
        ("http://x", ["*"], False, []),
    ],
)
def test_a_host_that_django_refuses(
    in_use: None, settings: Settings, url: str, hosts: list[str], debug: bool, expected: list[str]
) -> None:
    settings.INSTANT_BACKEND_URL, settings.ALLOWED_HOSTS, settings.DEBUG = url, hosts, debug
    assert ids() == expected


def test_a_redirect_to_https(in_use: None, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert ids() == []  # nobody redirects without the middleware
    settings.MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", *settings.MIDDLEWARE]
    assert ids() == ["instant.W046"]
    hint = str(check_backend_url(None)[0].hint)
    settings.SECURE_REDIRECT_EXEMPT = [hint.split('"')[1]]
    assert ids() == []
    settings.SECURE_REDIRECT_EXEMPT, settings.INSTANT_BACKEND_URL = [], "https://localhost"
    assert ids() == []


def test_a_derived_secret(in_use: None, settings: Settings) -> None:
    assert [message.id for message in check_secret(None)] == ["instant.W047"]
    settings.INSTANT_PROXY_SECRET = "x" * 40
    assert check_secret(None) == []
