"""Tenants: names on the server, and work that comes without a request. `tests.tenants` has two, in browsers."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core import checks
from django.core.management import CommandError, call_command
from django.test import override_settings
from pytest_django import Settings

from instant import Message, publish, publish_many, user_channel
from instant.access.client_credentials import credentials
from instant.access.tokens import channel_token, connection_token
from instant.admin import RevocationAdmin
from instant.backends.python import requests_for
from instant.channels import tenants
from instant.channels.server_names import in_site, on_server
from instant.channels.user_ids import user_id, user_in_site, user_named
from instant.conf import conf
from instant.exceptions import Deny, InvalidChannel, InvalidSetting
from instant.models import OutboxEntry, Revocation
from instant.proxies.rpc import answer
from instant.revocation import recheck, repeating
from instant.sockets.connection import asked
from instant.testing import Published
from instant.windows import topics
from tests.tenants import current

NAME, CONTEXT = "tests.tenants.current.name", "tests.tenants.current.entered"
NAMES = {
    "news": "acme/news",
    "$staff": "$acme/staff",
    "post:7": "post:acme/7",
    "$post:7": "$post:acme/7",
    "$post:a:b/c": "$post:acme/a:b/c",
    "$a/b": "$acme/a/b",
}


@pytest.fixture
def acme(settings: Settings) -> None:
    settings.INSTANT_TENANT = "acme"


@pytest.fixture
def several(settings: Settings) -> None:
    settings.INSTANT_TENANT, settings.INSTANT_TENANT_CONTEXT = NAME, CONTEXT


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, conf.hmac_key, algorithms=["HS256"])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_names_of_channels(name: str, settings: Settings) -> None:
    assert on_server(name) == in_site(name) == name
    settings.INSTANT_TENANT = "acme"
    assert on_server(name) == NAMES[name]
    assert in_site(NAMES[name]) == name
    settings.INSTANT_TENANT = "acm"
    assert in_site(NAMES[name]) is None


@pytest.mark.usefixtures("acme")
def test_a_name_is_too_long_with_its_tenant() -> None:
    with pytest.raises(InvalidChannel, match="256 bytes with its tenant, more than 255"):
        publish("c" * 251, "x")


def test_ids_of_users(settings: Settings) -> None:
    user = User(pk=5, username="a/b")
    settings.INSTANT_TENANT = "acme"
    assert (user_id(user), user_id(AnonymousUser())) == ("acme/5", "")
    assert [user_in_site(name) for name in ("acme/5", "beta/5", "5", "acme", "")] == ["5", None, None, None, ""]
    settings.INSTANT_USER_ID = "username"
    assert user_id(user) == "acme/a/b"
    assert user_in_site("acme/a/b") == "a/b"


@pytest.mark.parametrize("value", ["a/b", "", " ", "a:b", "ä", "a" * 65, "-a"])
def test_a_text_that_is_no_name(value: str, settings: Settings) -> None:
    settings.INSTANT_TENANT = lambda: value
    with pytest.raises(InvalidSetting, match="INSTANT_TENANT returned"):
        publish("news", "x")


@pytest.mark.usefixtures("several")
def test_nothing_is_sent_for_nobody(published: Published) -> None:
    with pytest.raises(InvalidSetting, match="INSTANT_TENANT returned None"):
        publish("news", "x")
    assert not published.messages


@pytest.mark.usefixtures("several")
def test_a_message_belongs_to_who_published_it() -> None:
    with current.entered("acme"):
        message = Message("$team", "x")
    with current.entered("beta"):
        other = message.to("$desk")
        assert json.loads(message.command())["channel"] == "$acme/team"
        assert json.loads(other.command())["channel"] == "$beta/desk"
        (request,) = requests_for([message, message.to("$team")])
        assert json.loads(request.body)["channels"] == ["$acme/team", "$beta/team"]
    assert message.channel == "$team"


@pytest.mark.usefixtures("acme")
def test_captured_messages_have_the_names_of_the_code(published: Published) -> None:
    publish_many([{"channels": ["a", "b"], "message": "x"}])
    assert [item.channel for item in published.messages] == ["a", "b"]


@pytest.mark.django_db
@pytest.mark.usefixtures("acme")
def test_rows_of_the_outbox(settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"
    publish("$team", "x")
    assert json.loads(OutboxEntry.objects.get().payload)["channel"] == "$acme/team"


@pytest.mark.django_db
def test_tokens(settings: Settings) -> None:
    user = User.objects.create_user("alice")
    settings.INSTANT_TENANT, settings.INSTANT_ALLOW_ANONYMOUS = "acme", True
    found = credentials(user)
    connection, (own,) = claims(found["ws_token"]), found["channels"]
    assert connection["sub"] == connection["meta"]["user"] == f"acme/{user.pk}"
    assert connection["meta"]["tenant"] == "acme"
    assert own["name"] == user_channel(user) == f"$user.{user.pk}"
    assert claims(own["token"])["channel"] == f"$acme/user.{user.pk}"
    assert claims(own["token"])["sub"] == f"acme/{user.pk}"
    visitor = claims(connection_token(AnonymousUser()))
    assert (visitor["sub"], visitor["meta"]["tenant"]) == ("", "acme")
    assert claims(channel_token("news", AnonymousUser()))["channel"] == "acme/news"
    assert user_named(f"acme/{user.pk}", {}) == user
    assert user_named(f"beta/{user.pk}", {}) is None
    assert user_named(str(user.pk), {}) is None


def test_a_window_is_of_one_tenant(settings: Settings) -> None:
    window = topics.Window("key", ("$page:x",))
    settings.INSTANT_TENANT = "acme"
    blob = topics.signed(window, "1", "session")
    assert topics.read(blob, "1", "session") == window
    for other in ("beta", None):
        settings.INSTANT_TENANT = other
        assert topics.read(blob, "1", "session") is None


class TestEntered:
    """`entered()`: whose work is done, and whose is refused."""

    def test_a_site_without_tenants(self) -> None:
        with tenants.entered(""):
            pass
        with pytest.raises(Deny), tenants.entered("acme"):
            pass

    @pytest.mark.usefixtures("acme")
    def test_a_fixed_tenant(self) -> None:
        with tenants.entered("acme"):
            pass
        for other in ("beta", ""):
            with pytest.raises(Deny), tenants.entered(other):
                pass

    @pytest.mark.usefixtures("several")
    def test_the_context_is_entered_and_left(self) -> None:
        with tenants.entered("beta"):
            assert conf.tenant == "beta"
        assert current.name() is None
        with pytest.raises(LookupError), tenants.entered("gone"):
            pass
        with pytest.raises(Deny), tenants.entered(""):
            pass

    def test_without_the_context_no_function_is_believed(self, settings: Settings) -> None:
        settings.INSTANT_TENANT = lambda: "acme"  # a thread that still knows the tenant of an earlier request
        with pytest.raises(Deny), tenants.entered("acme"):
            pass
        with tenants.resumed("acme"):  # the thread's own work goes on
            pass

    def test_a_context_that_does_not_do_it(self, settings: Settings) -> None:
        settings.INSTANT_TENANT, settings.INSTANT_TENANT_CONTEXT = "acme", CONTEXT
        with pytest.raises(Deny), tenants.entered("beta"):
            pass

    @pytest.mark.usefixtures("several")
    def test_a_connection_whose_user_is_anothers(self) -> None:
        with tenants.entered_for("beta/1", {"tenant": "beta"}):
            assert conf.tenant == "beta"
        for user, meta in (("beta/1", {"tenant": "acme"}), ("1", {"tenant": "acme"}), ("acme/1", {})):
            with pytest.raises(Deny), tenants.entered_for(user, meta):
                pass


_ENTERED = "in INSTANT_TENANT_CONTEXT, INSTANT_TENANT names another tenant"


@pytest.mark.parametrize(
    ("values", "tenant", "why"),
    [
        ((None, None), "acme", "INSTANT_TENANT is not set"),
        (("acme", None), "../x", "this is not a valid name of a tenant"),
        (("acme", CONTEXT), "beta", _ENTERED),
        ((lambda: "acme", None), "acme", "INSTANT_TENANT_CONTEXT is not set"),
        (("acme", None), None, "INSTANT_TENANT named no tenant when the work began"),
    ],
)
def test_a_refusal_says_nothing_to_the_client_and_all_to_the_log(
    values: tuple[Any, Any], tenant: str | None, why: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.INSTANT_TENANT, settings.INSTANT_TENANT_CONTEXT = values
    with pytest.raises(Deny) as raised, tenants.resumed(None) if tenant is None else tenants.entered(tenant):
        pass
    assert (raised.value.code, raised.value.reason) == (403, "this connection belongs to another site")
    assert caplog.messages == [f"refused work for the tenant {tenant or ''!r}: {why}"]


def test_the_user_of_another_tenant_is_refused(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.INSTANT_TENANT, settings.INSTANT_TENANT_CONTEXT = NAME, CONTEXT
    with pytest.raises(Deny), tenants.entered_for("beta/1", {"tenant": "acme"}):
        pass
    assert caplog.messages == [
        "refused work for the tenant 'acme': the user of the connection belongs to another tenant"
    ]


def test_a_wrong_context_is_reported_by_its_setting(settings: Settings) -> None:
    settings.INSTANT_TENANT, settings.INSTANT_TENANT_CONTEXT = "acme", "no.such.context"
    with pytest.raises(InvalidSetting, match="INSTANT_TENANT_CONTEXT"), tenants.entered("acme"):
        pass


@pytest.mark.django_db
@pytest.mark.parametrize("meta", [{"tenant": "beta"}, {}, {"tenant": 5}, {"tenant": "../x"}])
@pytest.mark.usefixtures("acme")
def test_calls_of_others_are_refused(meta: dict[str, Any]) -> None:
    reply = answer({"client": "c", "user": "acme/1", "method": "where", "meta": meta})
    assert reply["error"]["code"] == 403


@pytest.mark.parametrize(
    ("channel", "meta", "name"),
    [
        ("ws:chat:1", {}, "chat"),
        ("ws:acme/chat:1", {"tenant": "acme"}, "chat"),
        ("ws:beta/chat:1", {"tenant": "acme"}, "beta/chat"),  # no handler has such a name
    ],
)
def test_the_name_of_a_socket(channel: str, meta: dict[str, Any], name: str) -> None:
    opening = asked(channel, "acme/1", "c", data={"v": 1}, meta=meta, headers={})
    assert (opening.name, opening.tenant) == (name, meta.get("tenant", ""))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("several")
class TestRevocations:
    """Two tenants that share a database."""

    @pytest.fixture(autouse=True)
    def router(self, settings: Settings) -> None:
        settings.CENTRIFUGO_PORT = 9  # nobody listens

    def test_rows_of_each_tenant(self) -> None:
        for tenant in ("acme", "beta"):
            with current.entered(tenant):
                recheck(channels=["$team"])
        rows = Revocation.objects.order_by("tenant").values_list("tenant", "channel")
        assert list(rows) == [("acme", "$team"), ("beta", "$team")]

    def test_a_tenant_looks_at_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looked: list[tuple[str, str]] = []
        monkeypatch.setattr(
            repeating.enforcement,
            "apply",
            lambda rows, **_: looked.extend((conf.tenant, row.tenant) for row in rows) or True,
        )
        for tenant in ("acme", "beta"):
            with current.entered(tenant):
                recheck(channels=["$team"])
        Revocation.objects.update(next_at="2000-01-01T00:00Z")
        looked.clear()
        with current.entered("beta"):
            repeating.repeat_due()
        assert looked == [("beta", "beta")]

    def test_a_transaction_with_changes_of_several(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from django.db import transaction

        from instant.revocation import recording

        looked: list[tuple[str, str]] = []
        monkeypatch.setattr(
            recording.enforcement,
            "apply",
            lambda rows, **_: looked.extend((conf.tenant, row.tenant) for row in rows) or True,
        )
        with transaction.atomic():
            for tenant in ("acme", "beta"):
                with current.entered(tenant):
                    recheck(channels=["$team"])
        assert looked == [("acme", "acme"), ("beta", "beta")]

    def test_the_thread_enters_each_tenant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[str] = []
        monkeypatch.setattr(repeating, "repeat_due", lambda: seen.append(conf.tenant))
        repeater = repeating._Repeater()
        repeater.tenants = {"acme", "beta"}
        repeater._run()
        assert seen == ["acme", "beta"]
        assert current.name() is None


@pytest.mark.django_db
@pytest.mark.usefixtures("several")
def test_the_admin_shows_the_own_ones(rf: Any) -> None:
    from django.contrib import admin

    for tenant in ("acme", "beta"):
        Revocation.objects.create(tenant=tenant, user=f"{tenant}/1", next_at="2026-01-01T00:00Z")
    shown = RevocationAdmin(Revocation, admin.site)
    with current.entered("beta"):
        (row,) = shown.get_queryset(rf.get("/"))
        assert (row.tenant, shown.about(row)) == ("beta", "user 1")
        found, _ = shown.get_search_results(rf.get("/"), shown.get_queryset(rf.get("/")), "1")
        assert list(found) == [row]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("several")
def test_commands_of_a_tenant(settings: Settings) -> None:
    settings.CENTRIFUGO_PORT = 9
    call_command("recheck", channels=["$team"], tenant="acme")
    assert Revocation.objects.get().tenant == "acme"
    settings.INSTANT_TENANT_CONTEXT = None
    with pytest.raises(CommandError, match="tenant 'acme'"):
        call_command("recheck", channels=["$team"], tenant="acme")


def test_several_databases_of_users() -> None:
    class OnlyDefault:
        def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
            return db == "default"

    def found() -> list[str]:
        with override_settings(CENTRIFUGO_HMAC_KEY="h" * 32, CENTRIFUGO_API_KEY="a" * 32):
            return [str(each.id) for each in checks.run_checks(include_deployment_checks=True)]

    from django.db import connections

    assert "instant.W011" not in found()
    connections.settings["other"] = {**connections.settings["default"], "NAME": "other"}
    try:
        assert "instant.W011" in found()
        with override_settings(DATABASE_ROUTERS=[OnlyDefault()]):
            assert "instant.W011" not in found()
        with override_settings(INSTANT_TENANT="acme"):
            assert "instant.W011" not in found()
    finally:
        del connections.settings["other"]
