"""manage.py check: each id is found, says what is wrong, and has a hint; a plain site has none."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core import checks
from django.core.checks import CheckMessage
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings
from pytest_django import Settings

from instant.backends import BaseBackend
from instant.checks import backends, channels, deployment, limits, outbox
from instant.checks import settings as of_settings
from instant.messages import Message, Receipt
from tests.checks.test_outbox import OUTBOX
from tests.snippets import ROOT

SITES: dict[str, list[dict[str, Any]]] = {
    "instant.E001": [
        {"CENTRIFUGO_PORT": "8427"},
        {"CENTRIFUGO_HOST": "ftp://x"},
        {"INSTANT_NAMESPACES": {"chat": None}},
        {"INSTANT_PAYLOAD": "x"},
        {"CENTRIFUGO_API_KEY": "key\n"},
        {"INSTANT_OUTBOX_PARTITIONS": 0},
        {"INSTANT_STAFF_CHANNELS": ["$staff"]},
        {"INSTANT_USERS_CHANNELS": [["$gone:users"]]},
        {"INSTANT_TOKEN_RATE": "many"},
        {"INSTANT_TOKEN_RATE": "0/60s"},
        {"INSTANT_CLIENT_ADDRESS": 5},
        {"INSTANT_THROTTLE_CACHE": None},
        {"INSTANT_USER_CONNECTIONS": -1},
        {"INSTANT_USER_CONNECTIONS": "50"},
        {"INSTANT_TENANT": "no/slash"},
        {"INSTANT_TENANT": "no.such.function"},
        {"INSTANT_TENANT_CONTEXT": "os.sep"},
        {"INSTANT_PUBLIC_CHANNEL": "ü", "INSTANT_ENABLE_PUBLIC_CHANNEL": True},
    ],
    "instant.E002": [
        {"INSTANT_NAMESPACES": {"x": {}}},
        {"INSTANT_NAMESPACES": {"chat": {"histroy_size": 1}}},
        {"INSTANT_ENGINE": "postgres"},
    ],
    "instant.E003": [{"INSTANT_BROADCAST_WITH": "go-faster"}, {"INSTANT_BROADCAST_WITH": "os.sep"}],
    "instant.E005": [{"INSTANT_STAFF_CHANNELS": [["ops"]]}, {"INSTANT_PUBLIC_CHANNELS": [["$news"]]}],
    "instant.E006": [{"INSTANT_STAFF_CHANNELS": [["$a"]], "INSTANT_USERS_CHANNELS": [["$b"], ["$a", ["/x/"]]]}],
    "instant.W001": [{"ALLOWED_HOSTS": ["*"]}, {"CORS_ALLOW_ALL_ORIGINS": True}],
    "instant.W002": [{"CORS_ALLOWED_ORIGIN_REGEXES": [r"^https://\w+\.example\.org$"]}],
    "instant.W010": [{"INSTANT_USER_ID": "username"}],
    "instant.W012": [{"INSTANT_TENANT": "tests.tenants.current.name"}],
    "instant.W030": [{"CORS_ALLOW_HEADERS": ["accept"]}],
    "instant.E060": [
        {"INSTANT_CLIENT_ADDRESS": "no.such.function"},
        {"INSTANT_CLIENT_ADDRESS": "os.sep"},
        {"INSTANT_THROTTLE_CACHE": "gone"},
    ],
    "instant.W060": [
        {"CACHES": {"default": {"BACKEND": f"django.core.cache.backends.{name}"}}}
        for name in ("locmem.LocMemCache", "dummy.DummyCache")
    ],
    "instant.W003": [
        {"INSTANT_NAMESPACES": {"chat": {"allow_subscribe_for_client": True}}},
        {"INSTANT_NAMESPACES": {"": {"allow_publish_for_subscriber": True}}},
    ],
}
DEPLOYED = {"CENTRIFUGO_HMAC_KEY": "h" * 32, "CENTRIFUGO_API_KEY": "a" * 32}
DEPLOYMENTS: dict[str, list[dict[str, Any]]] = {
    "instant.W004": [{}, {"CENTRIFUGO_HMAC_KEY": "h" * 32}, {"CENTRIFUGO_API_KEY": "a" * 32}],
    "instant.W061": [
        {**DEPLOYED, "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
        {**DEPLOYED, "USE_X_FORWARDED_HOST": True},
    ],
    "instant.W005": [{**DEPLOYED, "INSTANT_WEBSOCKET_URL": "ws://rt.example.org"}],
    "instant.W013": [
        {**DEPLOYED, "INSTANT_ENGINE": "nats://n:4222"},
        {**DEPLOYED, "INSTANT_ENGINE": "postgresql://u:p@h/n"},
    ],
    "instant.I001": [{**DEPLOYED, "INSTANT_BROADCAST_WITH": "thread"}],
    "instant.I002": [
        {**DEPLOYED, "INSTANT_ENGINE": address}
        for address in (
            "memory",
            "redis://r:6379",
            "redis://a:6379,redis://b:6379",
            "rediss+sentinel://s:26379?sentinel_master_name=m",
            "redis+cluster://c:7000",
        )
    ],
}
#: Settings that the text of a check need not name.
UNNAMED = ("INSTANT_ENABLE_PUBLIC_CHANNEL", "CACHES", "ALLOWED_HOSTS")


def found(*, deploy: bool = False, **values: Any) -> list[CheckMessage]:
    with override_settings(**values):
        messages = checks.run_checks(include_deployment_checks=deploy)
    return [message for message in messages if (message.id or "").startswith("instant.")]


#: In test_declared_checks, test_rules and test_tenants.
ELSEWHERE = {"instant.W009", "instant.W011", "instant.E030", "instant.E031"}

CASES = [
    pytest.param(check_id, values, table is DEPLOYMENTS, id=f"{check_id} {values}")
    for table in (SITES, DEPLOYMENTS)
    for check_id, sites in table.items()
    for values in sites
]


@pytest.mark.parametrize(("check_id", "values", "deploy"), CASES)
def test_each_check_finds_its_fault_once_and_alone(check_id: str, values: dict[str, Any], deploy: bool) -> None:
    # I002 is about each engine that W013 is not about.
    (message,) = [
        each for each in found(deploy=deploy, **values) if check_id == "instant.I002" or each.id != "instant.I002"
    ]
    assert message.id == check_id
    assert message.hint
    assert message.level == {"E": checks.ERROR, "W": checks.WARNING, "I": checks.INFO}[check_id[8]]
    for name in values:
        if name not in (*DEPLOYED, *UNNAMED) and "CORS" not in name:
            assert name in message.msg


def test_the_page_says_of_each_engine_what_the_check_says() -> None:
    rows = (ROOT / "docs/guarantees.md").read_text().partition("## Engines")[2].partition("## ")[0]
    assert re.findall(r"^\| [^|]+ \| (.+) \|$", rows, re.MULTILINE)[1:] == list(deployment.ENGINE_LOSSES.values())


def test_every_id_has_a_case() -> None:
    """Ids are in the docstrings of the checks, which stand for the list of them."""
    modules = (of_settings, backends, channels, deployment, limits, outbox)
    found = [(module, name) for module in modules for name in dir(module) if name.startswith("check_")]
    docs = " ".join(getattr(module, name).__doc__ or "" for module, name in found)
    known = {f"instant.{word.strip('.:;,')}" for word in docs.split() if word[:1] in "EWI" and word[1:4].isdigit()}
    assert known == {*SITES, *DEPLOYMENTS, *OUTBOX, *ELSEWHERE}


def test_a_namespace_open_to_clients_says_what_that_means() -> None:
    opened = {"allow_subscribe_for_client": True, "allow_publish_for_subscriber": True}
    joined, published = found(INSTANT_NAMESPACES={"chat": {**opened, "allow_publish_for_client": False}})
    assert joined.msg == (
        "INSTANT_NAMESPACES['chat'] sets allow_subscribe_for_client: "
        "clients can join channels without a token from Django."
    )
    assert published.msg == (
        "INSTANT_NAMESPACES['chat'] sets allow_publish_for_subscriber: clients can publish without Django's permission."
    )
    for what in ("only through instant.onWhisper()", "does not limit their rate", "displace Django's messages"):
        assert what in str(published.hint)


def test_a_plain_site_has_no_messages() -> None:
    assert found() == []
    assert found(INSTANT_NAMESPACES={"chat": {"presence": True}}, INSTANT_ENGINE="redis://r:6379") == []


def test_a_deployed_site_has_only_the_note_about_its_engine() -> None:
    (note,) = found(deploy=True, **DEPLOYED, INSTANT_WEBSOCKET_URL="wss://rt.example.org")
    assert note.id == "instant.I002"


@pytest.mark.parametrize(
    "values",
    [
        {"DEBUG": True},
        {"ROOT_URLCONF": "tests.checks.test_all"},
        {"AUTHENTICATION_BACKENDS": ["tests.checks.test_all.Axes"]},
        {"INSTANT_THROTTLE_CACHE": "shared"},
    ],
)
def test_a_site_whose_log_ins_are_not_limited_here_has_no_warning_about_caches(values: dict[str, Any]) -> None:
    local = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "shared": settings.CACHES["default"],
    }
    assert found(CACHES=local, **values) == []


def test_a_site_without_urls_has_no_warning_about_caches(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    del settings.ROOT_URLCONF
    assert limits.check_limits(None) == []


def test_a_site_that_names_its_clients_has_no_warning_about_proxies() -> None:
    proxied = {**DEPLOYED, "USE_X_FORWARDED_HOST": True}
    messages = found(deploy=True, **proxied, INSTANT_CLIENT_ADDRESS=lambda request: request.META["REMOTE_ADDR"])
    assert [each.id for each in messages] == ["instant.I002"]


#: Of the site without our urls, and of that with django-axes.
urlpatterns: list[Any] = []
Axes = type("Axes", (ModelBackend,), {"__module__": "axes.backends"})


def test_all_wrong_settings_are_reported_at_once() -> None:
    messages = found(CENTRIFUGO_PORT="x", INSTANT_TOKEN_TTL="y", INSTANT_BROADCAST_WITH=5)
    assert [message.id for message in messages] == ["instant.E001"] * 3


class Doubtful(BaseBackend):
    name = "doubtful"

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        raise NotImplementedError

    def check(self) -> list[CheckMessage]:
        return [checks.Warning("really?", hint="Think again.", id="instant.W999")]


def test_a_backend_has_its_say() -> None:
    assert [message.msg for message in found(INSTANT_BROADCAST_WITH=f"{__name__}.Doubtful")] == ["really?"]


def test_the_command_fails_on_an_error() -> None:
    with override_settings(CENTRIFUGO_PORT="8427"), pytest.raises(SystemCheckError, match=r"(?s)instant\.E001.*HINT"):
        call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
    call_command("check", stdout=io.StringIO())
