"""Access ends when the right to it ends: tried on servers that run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.models import Session
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone

from instant import publish
from instant.access import channel_access
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo import cent_api, offline
from instant.exceptions import ServerError
from instant.models import Channel, Revocation
from instant.process_state import PerProcess
from instant.revocation import enforcement, recheck, recording, repeating
from instant.testing import LiveServer
from tests.access.asking import audience_of
from tests.clients import SyncClient
from tests.postgres import cluster, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db(transaction=True)

Joined = Callable[..., SyncClient]


@pytest.fixture
def alice() -> User:
    user = User.objects.create_user("alice", password="pw", is_staff=True, is_superuser=True)
    user.groups.add(Group.objects.create(name="editors"))
    return user


@pytest.fixture
def joined(server: LiveServer) -> Iterator[Joined]:
    """joined(user, "$a", "$b"): a client of that user in these channels, with the tokens that Django gives."""
    clients: list[SyncClient] = []

    def join(user: User | AnonymousUser, *names: str) -> SyncClient:
        client = SyncClient(server.websocket_url, connection_token(user)).__enter__()
        clients.append(client)
        for name in names:
            client.join(name, channel_token(name, user))
        return client

    yield join
    for client in clients:
        client.__exit__(None, None, None)


def assert_still_in(client: SyncClient, channel: str) -> None:
    publish(channel, f"after in {channel}")
    client.wait(lambda: f"after in {channel}" in client.texts(), f"for a message in {channel}")


def make(name: str, level: str, *groups: Group) -> Channel:
    channel = Channel.objects.create(name=name, level=level)
    channel.groups.set(groups)
    return channel


def test_who_leaves_a_group_is_out_of_its_channels_only(alice: User, joined: Joined) -> None:
    editors = alice.groups.get()
    make("editors", "groups", editors), make("users", "users")
    client = joined(alice, "$editors", "$users")
    alice.groups.remove(editors)
    assert client.wait_for("unsubscribed $editors") == 2000
    assert_still_in(client, "$users")


@pytest.mark.parametrize("leave", ["user_set.remove", "user_set.clear", "groups.clear", "groups.set", "delete"])
def test_every_way_out_of_a_group(alice: User, joined: Joined, leave: str) -> None:
    editors = alice.groups.get()
    make("editors", "groups", editors)
    client = joined(alice, "$editors")
    {
        "user_set.remove": lambda: editors.user_set.remove(alice),
        "user_set.clear": lambda: editors.user_set.clear(),
        "groups.clear": lambda: alice.groups.clear(),
        "groups.set": lambda: alice.groups.set([]),
        "delete": lambda: editors.delete(),
    }[leave]()
    assert client.wait_for("unsubscribed $editors") == 2000


def test_another_group_keeps_the_user_in(alice: User, joined: Joined) -> None:
    editors, authors = alice.groups.get(), Group.objects.create(name="authors")
    alice.groups.add(authors)
    make("both", "groups", editors, authors), make("editors", "groups", editors)
    client = joined(alice, "$both", "$editors")
    alice.groups.remove(editors)
    client.wait_for("unsubscribed $editors")
    assert_still_in(client, "$both")


@pytest.mark.parametrize(("flag", "channel"), [("is_staff", "$staff"), ("is_superuser", "$ops")])
def test_a_lost_flag_takes_its_level_only(alice: User, joined: Joined, flag: str, channel: str) -> None:
    make("staff", "staff"), make("ops", "superuser"), make("users", "users")
    client = joined(alice, "$staff", "$ops", "$users")
    setattr(alice, flag, False)
    alice.save()
    assert client.wait_for(f"unsubscribed {channel}") == 2000
    assert_still_in(client, "$users")
    assert_still_in(client, "$ops" if channel == "$staff" else "$staff")


def test_a_deactivated_user_is_disconnected_for_good(alice: User, joined: Joined) -> None:
    make("users", "users")
    client = joined(alice, "$users")
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    assert client.wait_for("disconnected") == 4501


def test_a_deleted_user_is_disconnected(alice: User, joined: Joined) -> None:
    client = joined(alice)
    alice.delete()
    assert client.wait_for("disconnected") == 4501


def test_logging_out_disconnects(alice: User, joined: Joined) -> None:
    bob = User.objects.create_user("bob", password="pw")
    make("users", "users")
    client, other = joined(alice, "$users"), joined(bob, "$users")
    browser = Client()
    browser.force_login(alice)
    assert browser.post("/instant/logout/").status_code == 200
    assert client.wait_for("disconnected") == 4501
    assert_still_in(other, "$users")
    row = Revocation.objects.get()  # a connection token that was saved opens no connection for long
    assert row.user == str(alice.pk)
    assert row.session


def test_the_session_is_over_before_the_pages_are_closed(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a page would ask for new tokens with the session that is about to end, and get them."""
    seen: list[bool] = []

    def look(clients: Iterable[tuple[str, str]]) -> None:
        seen.extend(Session.objects.exists() for _ in clients)

    monkeypatch.setattr(cent_api, "disconnect_all", look)
    monkeypatch.setattr(cent_api, "clients_in", lambda names: {})
    monkeypatch.setattr(cent_api, "private_channels", set)
    browser = Client()
    browser.force_login(alice)
    browser.post("/instant/logout/")
    browser.force_login(alice)
    browser.post("/admin/logout/")
    assert seen == [False, False]
    browser.get("/instant/get_token/")
    assert len(seen) == 2


def change_deactivate(channel: Channel) -> None:
    channel.is_active = False
    channel.save()


def change_update(channel: Channel) -> None:
    Channel.objects.filter(pk=channel.pk).update(is_active=False)


def change_level(channel: Channel) -> None:
    channel.level = "superuser"
    channel.save()


def change_name(channel: Channel) -> None:
    channel.name = "renamed"
    channel.save()


def change_bulk(channel: Channel) -> None:
    channel.level = "staff"
    Channel.objects.bulk_update([channel], ["level"])


@pytest.mark.parametrize(
    "change",
    [change_deactivate, change_update, change_level, change_name, change_bulk, Channel.delete],
)
def test_a_channel_that_changes_drops_who_may_no_longer_be_in_it(
    joined: Joined, change: Callable[[Channel], None]
) -> None:
    bob = User.objects.create_user("bob")
    channel = make("users", "users")
    make("other", "users")
    client = joined(bob, "$users", "$other")
    change(channel)
    assert client.wait_for("unsubscribed $users") == 2000
    assert_still_in(client, "$other")


def test_a_channel_that_changes_keeps_who_may_stay(alice: User, joined: Joined) -> None:
    bob = User.objects.create_user("bob")
    channel = make("users", "users")
    out, stays = joined(bob, "$users"), joined(alice, "$users")
    channel.level = "staff"
    channel.save()
    out.wait_for("unsubscribed $users")
    assert_still_in(stays, "$users")


def test_a_group_taken_from_a_channel(alice: User, joined: Joined) -> None:
    editors = alice.groups.get()
    channel = make("editors", "groups", editors)
    client = joined(alice, "$editors")
    channel.groups.remove(editors)
    assert client.wait_for("unsubscribed $editors") == 2000


def test_visitors_are_dropped_from_a_public_channel_that_closes(joined: Joined, settings) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    channel = make("news", "public")
    client = joined(AnonymousUser(), "news")
    channel.level = "users"
    channel.save()
    assert client.wait_for("unsubscribed news") == 2000


def test_nothing_happens_before_the_commit_and_never_after_a_rollback(alice: User, joined: Joined) -> None:
    editors = alice.groups.get()
    make("editors", "groups", editors)
    client = joined(alice, "$editors")
    with pytest.raises(RuntimeError), transaction.atomic():
        alice.groups.remove(editors)
        raise RuntimeError
    assert not Revocation.objects.exists()
    assert_still_in(client, "$editors")
    with transaction.atomic():
        alice.groups.remove(editors)
        assert_still_in(client, "$editors")
    client.wait_for("unsubscribed $editors")


def test_a_token_saved_before_is_caught_by_the_repetition(alice: User, joined: Joined) -> None:
    editors = alice.groups.get()
    make("editors", "groups", editors)
    saved = channel_token("$editors", alice)
    client = joined(alice, "$editors")
    alice.groups.remove(editors)
    client.wait_for("unsubscribed $editors")
    client.happened.clear()
    client.join("$editors", saved)  # the server remembers nothing
    Revocation.objects.update(next_at=timezone.now())
    assert repeating.repeat_due()
    assert client.wait_for("unsubscribed $editors") == 2000


def test_the_thread_repeats_until_nothing_is_left(
    alice: User, joined: Joined, monkeypatch: pytest.MonkeyPatch, settings, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(repeating, "INTERVAL", 0.1)
    monkeypatch.setattr(repeating, "_repeater", PerProcess(repeating._Repeater))
    settings.INSTANT_CHANNEL_TOKEN_TTL = 3
    editors = alice.groups.get()
    make("editors", "groups", editors)
    saved = channel_token("$editors", alice)
    client = joined(alice, "$editors")
    alice.groups.remove(editors)
    client.wait_for("unsubscribed $editors")
    client.happened.clear()
    client.join("$editors", saved)
    assert client.wait_for("unsubscribed $editors") == 2000
    client.wait(lambda: not Revocation.objects.exists() and not repeating._repeater().running, "for the end")


def test_who_got_the_right_back_stays_in(alice: User, joined: Joined) -> None:
    editors = alice.groups.get()
    make("editors", "groups", editors)
    client = joined(alice, "$editors")
    alice.groups.remove(editors)
    client.wait_for("unsubscribed $editors")
    alice.groups.add(editors)
    client.join("$editors", channel_token("$editors", alice))
    Revocation.objects.update(next_at=timezone.now())
    repeating.repeat_due()
    assert_still_in(client, "$editors")


# Without a server


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be looked at, by name."""
    names: list[str] = []

    def apply(rows: list[Revocation], **_: object) -> bool:
        names.extend(f"user {row.user}" if row.user else row.channel for row in rows)
        return True

    monkeypatch.setattr(enforcement, "apply", apply)
    return names


def test_saving_without_a_loss_asks_nobody(alice: User, looked: list[str]) -> None:
    channel = make("users", "users")
    alice.first_name = "A"
    alice.save()
    User.objects.create(username="new", is_active=False)
    alice.groups.add(Group.objects.create(name="more"))
    channel.save()
    Client().force_login(alice)  # updates last_login
    assert looked == []
    assert not Revocation.objects.exists()


def test_an_unreachable_server_is_logged_and_tried_again(
    alice: User, settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CENTRIFUGO_PORT = 9  # nobody listens on it
    alice.is_active = False
    alice.save()
    assert "could not be enforced yet" in caplog.text
    row = Revocation.objects.get()
    assert row.user == str(alice.pk)
    assert row.until is None  # its period begins when it has been done once
    assert row.next_at > timezone.now()  # the thread writes nothing while the caller goes on


def test_a_revocation_that_was_never_done_is_not_forgotten(alice: User, settings, looked: list[str]) -> None:
    recheck(users=[alice])
    past = timezone.now() - timedelta(seconds=1)
    Revocation.objects.update(next_at=past, until=past)

    def away(rows: list[Revocation], **_: object) -> bool:
        raise ServerError("server not reachable", retryable=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enforcement, "apply", away)
        assert repeating.repeat_due()  # the tokens have expired, but who has joined is still in
    Revocation.objects.update(next_at=past)
    assert not repeating.repeat_due()
    assert looked == [f"user {alice.pk}"] * 2


def test_a_revocation_is_forgotten_when_the_tokens_have_expired(alice: User, looked: list[str]) -> None:
    recheck(users=[alice])
    assert looked == [f"user {alice.pk}"]
    assert repeating.repeat_due()  # not its time yet
    past = timezone.now() - timedelta(seconds=1)
    Revocation.objects.update(next_at=past, until=past)
    assert not repeating.repeat_due()
    assert looked == [f"user {alice.pk}"] * 2


def test_the_period_begins_at_the_last_commit(alice: User, looked: list[str]) -> None:
    """Another transaction with the same change may have committed, and begun the period, before this one did."""
    recheck(users=[alice])
    Revocation.objects.update(until=timezone.now())
    recording._enforce([("", str(alice.pk), "", "")])
    (row,) = Revocation.objects.all()
    assert row.until > timezone.now()
    assert looked == [f"user {alice.pk}"] * 2


def test_an_open_transaction_does_not_hold_the_others_up(
    postgres: str,  # noqa: F811
    looked: list[str],
) -> None:
    now = timezone.now()
    for user in ("1", "2"):
        Revocation.objects.create(user=user, next_at=now, until=now + timedelta(minutes=5))
    other = connections[postgres].copy()
    with transaction.atomic(postgres), connections[postgres].cursor() as cursor:
        cursor.execute("SET lock_timeout = '5s'")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("UPDATE instant_revocation SET until = NULL WHERE \"user\" = '1'")
        repeating.repeat_due()
        assert looked == ["user 2"]
        other.commit()
    finally:
        other.close()
    Revocation.objects.update(next_at=now)
    repeating.repeat_due()
    assert sorted(looked[1:]) == ["user 1", "user 2"]


def test_one_process_of_many_repeats(alice: User, looked: list[str]) -> None:
    recheck(users=[alice])
    looked.clear()
    Revocation.objects.update(next_at=timezone.now())
    stale = list(Revocation.objects.all())
    repeating.repeat_due()
    assert looked == [f"user {alice.pk}"]
    assert repeating._claimed(stale) == []  # another process had read the row before the first one claimed it


def test_a_process_goes_on_with_what_another_left(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    repeater = repeating._Repeater()
    started: list[float] = []
    monkeypatch.setattr(repeater, "start", lambda tenant: started.append(time.monotonic()))
    monkeypatch.setattr(repeating, "_repeater", lambda: repeater)
    monkeypatch.setattr(offline, "is_test", lambda: False)
    repeating.resume()
    assert not started
    Revocation.objects.create(user="1", next_at=timezone.now(), until=timezone.now())
    repeating.resume()
    assert not started  # asked a moment ago
    repeater.asked_at.clear()
    repeating.resume()
    assert len(started) == 1


def test_tests_of_a_site_have_no_thread(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would go on behind the next tests, and keep their database from being removed."""
    started: list[str] = []
    monkeypatch.setattr(repeating._repeater(), "start", started.append)
    recheck(users=[alice])
    repeating._repeater().asked_at.clear()
    repeating.resume()
    assert Revocation.objects.exists()
    assert started == []
    with offline.with_server():
        recheck(users=[alice])
    assert started == [""]


def test_the_audience_of_a_channel_is_for_user_from_the_other_side(settings) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    editors = Group.objects.create(name="editors")
    people = [
        User.objects.create_user("plain"),
        User.objects.create_user("staff", is_staff=True),
        User.objects.create_user("super", is_superuser=True),
        User.objects.create_user("gone", is_active=False, is_staff=True, is_superuser=True),
        User.objects.create_user("editor"),
    ]
    for user in people[3:]:
        user.groups.add(editors)
    for level in Channel.Level.values:
        channel = make(level, level, editors)
        expected = {str(user.pk) for user in people if channel_access.may_join(user, channel.name)}
        if channel_access.may_join(AnonymousUser(), channel.name):
            expected.add("")
        assert audience_of(channel.name) == expected, level


def test_where_no_threads_run_who_asks_for_tokens_repeats(
    alice: User, joined: Joined, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(repeating, "runs_threads", lambda: False)
    monkeypatch.setattr(repeating, "_repeater", PerProcess(repeating._Repeater))
    repeating._warn_about_threads.cache_clear()
    make("users", "users")
    channel = Channel.objects.get()
    saved = channel_token("$users", alice)
    channel.is_active = False
    channel.save()
    assert caplog.text.count("uWSGI runs no threads") == 1
    client = joined(alice)
    client.join("$users", saved)
    Revocation.objects.update(next_at="2000-01-01T00:00Z")
    repeating.resume()
    assert client.wait_for("unsubscribed $users") == 2000
    assert not repeating._repeater().running
