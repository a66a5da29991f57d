"""Rights that change without a signal are found, and the topics of a page end with the rights they were given for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.test import Client

from instant.access.known_rights import note_rights, note_rights_of_connection
from instant.access.rights import rights_fingerprint
from instant.access.session_binding import bound_meta
from instant.access.tokens import channel_token_for, connection_token
from instant.conf import conf
from instant.models import Channel, KnownRights, Revocation
from instant.revocation import enforcement, repeating
from instant.testing import LiveServer
from instant.windows import rpc
from instant.worker import websocket_authentication
from tests.clients import SyncClient
from tests.features import use_features
from tests.live_pages import credentials_of_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def windows_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch, windows=True)


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw", is_staff=True)


@pytest.fixture
def enforced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is enforced, as names; nothing is."""
    found: list[str] = []
    monkeypatch.setattr(enforcement, "apply", lambda rows, **_: found.extend(map(str, rows)) or True)
    monkeypatch.setattr(repeating, "start", lambda: None)
    return found


def permission(number: int = 0) -> Permission:
    return Permission.objects.order_by("pk")[number]


def demote(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=False)


def join_group(user: User) -> None:
    group = Group.objects.create(name="editors")
    User.groups.through.objects.create(user=user, group=group)


def change_group(user: User) -> None:
    rows = [Group.permissions.through(group=group, permission=permission()) for group in user.groups.all()]
    Group.permissions.through.objects.bulk_create(rows)


def give_permission(user: User) -> None:
    User.user_permissions.through.objects.bulk_create(
        [User.user_permissions.through(user=user, permission=permission(1))]
    )


def change_password(user: User) -> None:
    User.objects.filter(pk=user.pk).update(password="another")


@pytest.mark.parametrize("change", [demote, join_group, change_group, give_permission, change_password])
def test_each_change_gives_another_fingerprint(alice: User, change: Callable[[User], None]) -> None:
    alice.groups.add(Group.objects.create(name="authors"))
    before = rights_fingerprint(User.objects.get(pk=alice.pk))
    assert before == rights_fingerprint(User.objects.get(pk=alice.pk))
    change(alice)
    assert rights_fingerprint(User.objects.get(pk=alice.pk)) != before


def test_the_same_number_as_a_group_or_a_permission_is_not_the_same(alice: User) -> None:
    found = set()
    group = Group.objects.create(pk=permission().pk, name="editors")
    for change in (lambda: alice.groups.set([group]), lambda: alice.user_permissions.set([permission()])):
        alice.groups.clear(), alice.user_permissions.clear()
        change()
        found.add(rights_fingerprint(alice))
    assert len(found) == 2


def test_one_query(alice: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        rights_fingerprint(alice)
    with django_assert_num_queries(0):
        assert rights_fingerprint(AnonymousUser()) == ""


# Changes without a signal


def get_token(browser: Client, **body: Any) -> Any:
    return browser.post("/instant/get_token/", json.dumps(body), content_type="application/json").json()


def test_a_renewal_finds_a_change_once(alice: User, browser: Client, enforced: list[str]) -> None:
    get_token(browser), get_token(browser)
    assert enforced == []
    demote(alice)
    get_token(browser), get_token(browser)
    assert enforced == [f"user {alice.pk}"]
    assert Revocation.objects.get().user == str(alice.pk)


def test_a_call_finds_a_change_once(alice: User, enforced: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc.dispatch, "call", lambda *args: rpc.dispatch.Value(1))
    meta = bound_meta(alice)

    def call() -> dict[str, Any]:
        return rpc.call("app.name", {}, user=str(alice.pk), client="c", meta=meta, headers={})

    call()
    assert enforced == []
    demote(alice)
    # The call's guard is asked about the user as the database has it, so the call itself goes through.
    assert [call(), call()] == [{"value": 1}] * 2
    assert enforced == [f"user {alice.pk}"]


def test_a_plain_websocket_finds_a_change(alice: User, browser: Client, enforced: list[str]) -> None:
    by_token = websocket_authentication.admit([f"instant.{connection_token(alice, meta=bound_meta(alice))}"], {})
    by_cookie = websocket_authentication.admit([], {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"})
    for guest in (by_token, by_cookie):
        assert websocket_authentication.is_still_in(guest)
        assert enforced == []
        User.objects.filter(pk=alice.pk).update(is_superuser=guest is by_token)
        KnownRights.objects.all().delete()
        demote(alice)
        assert websocket_authentication.is_still_in(guest)
        assert enforced == [f"user {alice.pk}"]
        enforced.clear()
        User.objects.filter(pk=alice.pk).update(is_superuser=False, is_staff=True)


def test_a_rolled_back_change_is_forgotten(alice: User, enforced: list[str]) -> None:
    from django.db import transaction

    note_rights(alice, "before")
    with transaction.atomic():
        note_rights(alice, "after")
        transaction.set_rollback(True)
    assert enforced == []
    note_rights(alice, "after")
    assert enforced == [f"user {alice.pk}"]


def test_a_token_of_connection_token_says_nothing_of_rights(alice: User, enforced: list[str]) -> None:
    meta = jwt.decode(connection_token(alice), conf.hmac_key, algorithms=["HS256"])["meta"]
    note_rights_of_connection(alice, meta)
    assert enforced == []
    demote(alice)
    note_rights_of_connection(User.objects.get(), meta)
    assert enforced == [f"user {alice.pk}"]


def test_nothing_is_known_of_a_deleted_user(alice: User, enforced: list[str]) -> None:
    note_rights(alice, "before")
    alice.delete()
    assert not KnownRights.objects.exists()


def test_visitors_have_no_rights_to_note(enforced: list[str]) -> None:
    note_rights(AnonymousUser(), "")
    note_rights_of_connection(AnonymousUser(), {})
    assert not KnownRights.objects.exists()


# On servers that run


@pytest.fixture
def connected(server: LiveServer) -> Iterator[Callable[..., SyncClient]]:
    clients: list[SyncClient] = []

    def connect(answer: dict[str, Any], *levels: str) -> SyncClient:
        client = SyncClient(server.websocket_url, answer["ws_token"]).__enter__()
        clients.append(client)
        for channel in answer["channels"]:
            if channel["level"] in levels:
                client.join(channel["name"], channel["token"])
        return client

    yield connect
    for client in clients:
        client.__exit__(None, None, None)


def page(user: User, browser: Client) -> dict[str, Any]:
    return credentials_of_page(user, browser, ["staff-topic"])


def names(answer: dict[str, Any], level: str = "page") -> list[str]:
    return [channel["name"] for channel in answer["channels"] if channel["level"] == level]


def test_a_renewal_ends_what_update_took(alice: User, browser: Client, connected: Any) -> None:
    Channel.objects.create(name="staff", level="staff")
    client = connected(get_token(browser), "staff")
    demote(alice)
    get_token(browser)
    assert client.wait_for("unsubscribed $staff") == 2000


@pytest.mark.parametrize("way", ["save", "update", "permission", "group"])
def test_topics_of_a_page_end_with_the_rights(alice: User, browser: Client, connected: Any, way: str) -> None:
    alice.user_permissions.add(permission())
    alice.groups.add(Group.objects.create(name="editors"))
    answer = page(alice, browser)
    client = connected(answer, "page")
    if way == "save":
        alice.is_staff = False
        alice.save()
    elif way == "permission":
        alice.user_permissions.remove(permission())
    elif way == "group":
        Group.objects.get().delete()
    else:
        demote(alice)
    again = get_token(browser, window=answer["window"]) if way == "update" else None
    for name in names(answer):
        assert client.wait_for(f"unsubscribed {name}") == 2000
    again = again or get_token(browser, window=answer["window"])
    assert again["window"] is None
    assert names(again) == []
    assert "window" not in jwt.decode(again["ws_token"], conf.hmac_key, algorithms=["HS256"])["meta"]


def test_a_saved_token_of_a_topic_joins_for_a_moment_only(alice: User, browser: Client, connected: Any) -> None:
    answer = page(alice, browser)
    alice.is_staff = False
    alice.save()
    saved = next(channel for channel in answer["channels"] if channel["name"] == names(answer)[-1])
    client = connected(get_token(browser))
    client.join(saved["name"], saved["token"])
    Revocation.objects.update(next_at="2000-01-01T00:00Z")
    repeating.repeat_due()
    assert client.wait_for(f"unsubscribed {saved['name']}") == 2000


def test_a_page_of_the_rights_of_today_stays(alice: User, browser: Client, connected: Any) -> None:
    alice.is_staff = False
    alice.save()
    answer = page(alice, browser)
    client = connected(answer, "page")
    Revocation.objects.update(next_at="2000-01-01T00:00Z")
    repeating.repeat_due()
    time.sleep(0.5)
    assert not [what for what, _ in client.happened if what.startswith("unsubscribed")]
    assert get_token(browser, window=answer["window"])["window"] == answer["window"]


def test_the_pages_of_other_users_stay(alice: User, browser: Client, connected: Any) -> None:
    bob, other = User.objects.create_user("bob", is_staff=True), Client()
    other.force_login(bob)
    client = connected(page(bob, other), "page")
    alice.is_staff = False
    alice.save()
    time.sleep(0.5)
    assert not [what for what, _ in client.happened if what.startswith("unsubscribed")]


def test_a_token_without_a_fingerprint_ends_too(alice: User, browser: Client, connected: Any) -> None:
    """Tokens of the version before have none."""
    answer = page(alice, browser)
    client = connected(answer)
    name = names(answer)[-1]
    client.join(name, channel_token_for(str(alice.pk), name))
    alice.is_staff = False
    alice.save()
    assert client.wait_for(f"unsubscribed {name}") == 2000
