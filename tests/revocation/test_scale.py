"""What one change costs on a large site: requests and queries are counted, times are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import sleep
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from instant import rule
from instant.access.session_binding import current_auth
from instant.access.tokens import channel_token
from instant.centrifugo import http
from instant.models import Channel, Revocation
from instant.revocation import enforcement, recheck, repeating
from tests.rules import no_rules_left  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)

CHANNELS = 1_000


@dataclass
class Server:
    """Answers batches from `present`, the users in each channel, and notes each request."""

    present: dict[str, list[str]]
    requests: list[list[dict[str, Any]]] = field(default_factory=list)

    def post(self, method: str, body: bytes, timeout: float | None = None) -> dict[str, Any]:
        assert method == "batch"
        commands: list[dict[str, Any]] = json.loads(body)["commands"]
        assert len(commands) <= 1_000
        self.requests.append(commands)
        return {"replies": [self._reply(*item) for command in commands for item in command.items()]}

    def _reply(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "channels":
            return {method: {"channels": {name: {"num_clients": len(users)} for name, users in self.present.items()}}}
        if method == "presence":
            users = self.present.get(params["channel"], ())
            info = {"a": current_auth(User(password=""))}
            clients = {f"{params['channel']}-{user}": {"user": user, "conn_info": info} for user in users}
            return {method: {"presence": clients}}
        return {method: {}}

    def commands(self, method: str) -> list[dict[str, Any]]:
        return [command[method] for commands in self.requests for command in commands if method in command]


@pytest.fixture
def cleared(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], tuple[Server, int]]:
    """cleared(1000): a group of so many members is cleared; returns the server, and the number of queries."""

    def clear(members: int) -> tuple[Server, int]:
        group = Group.objects.create(name=f"crowd{members}")
        other = User.objects.create_user(f"other{members}", is_superuser=True)
        users = User.objects.bulk_create(User(username=f"u{members}-{number}") for number in range(members))
        User.groups.through.objects.bulk_create(User.groups.through(user=user, group=group) for user in users)
        channels = Channel.objects.bulk_create(
            Channel(name=f"c{members}-{number}", level="groups") for number in range(CHANNELS)
        )
        Channel.groups.through.objects.bulk_create(
            Channel.groups.through(channel=channel, group=group) for channel in channels
        )
        server = Server({channel.name: [str(other.pk)] for channel in channels})
        for user, channel in zip(users, channels, strict=False):
            server.present[channel.name].append(str(user.pk))
        monkeypatch.setattr(http, "post", server.post)
        with CaptureQueriesContext(connection) as queries:
            group.user_set.clear()
        return server, len(queries)

    return clear


def test_a_group_of_a_thousand_is_cleared(cleared: Callable[[int], tuple[Server, int]]) -> None:
    server, queries = cleared(1_000)
    assert len(server.requests) <= 10
    assert queries <= 50
    unsubscribed = [(each["user"], each["channel"]) for each in server.commands("unsubscribe")]
    members = {str(pk) for pk in User.objects.filter(username__startswith="u1000-").values_list("pk", flat=True)}
    # Each is sent the name of the one channel that the user was in, and nobody else is sent any.
    assert sorted(unsubscribed) == sorted(
        (user, name) for name, users in server.present.items() for user in users if user in members
    )
    assert len(unsubscribed) == 1_000
    assert server.commands("disconnect") == []
    assert Revocation.objects.count() == 1_000


def test_queries_grow_with_batches_and_not_with_users(cleared: Callable[[int], tuple[Server, int]]) -> None:
    _, of_hundred = cleared(100)
    Revocation.objects.all().delete()
    _, of_thousand = cleared(1_000)
    assert of_thousand - of_hundred <= 25


def test_rules_beyond_the_first_hundred_are_asked_by_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody in the channel is asked about, however many users before them may stay."""
    monkeypatch.setattr(enforcement, "RULES_IN_A_STEP", 50)
    users = User.objects.bulk_create(User(pk=1000 + number, username=f"u{number}") for number in range(170))
    denied = {str(user.pk) for user in users[-5:]}
    asked: list[str] = []

    @rule("$post:<int:pk>")
    def readers(user: User, pk: int) -> bool:
        asked.append(str(user.pk))
        return str(user.pk) not in denied

    server = Server({"$post:1": [str(user.pk) for user in users]})
    monkeypatch.setattr(http, "post", server.post)
    recheck(channels=["$post:1"])
    assert len(asked) == 100
    assert server.commands("unsubscribe") == []
    repeating.repeat_due()
    assert sorted(asked[100:]) == sorted(str(user.pk) for user in users)
    assert {each["user"] for each in server.commands("unsubscribe")} == denied
    assert Revocation.objects.get().next_at > timezone.now()


def test_one_change_twice_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def apply(rows: list[Revocation], **_: object) -> bool:
        looked.append(len(rows))
        return True

    monkeypatch.setattr(enforcement, "apply", apply)
    user = User.objects.create_user("ann")
    with transaction.atomic():
        recheck(users=[user, user], channels=["$a", "$a"])
        recheck(users=[user], channels=["$a"])
    assert looked == [2]
    assert Revocation.objects.count() == 2
    recheck(users=[user])
    assert Revocation.objects.count() == 2


def test_the_period_begins_at_the_commit(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """A token that is fetched at the end of a transaction longer than the period does not outlive the last look."""
    monkeypatch.setattr(enforcement, "apply", lambda rows, **_: True)
    monkeypatch.setattr(repeating, "MARGIN", 1)
    settings.INSTANT_CHANNEL_TOKEN_TTL = 1
    user = User.objects.create_user("ann")
    user.groups.add(Group.objects.create(name="editors"))
    with transaction.atomic():
        user.groups.clear()
        begun = timezone.now()
        assert Revocation.objects.get().until is None
        sleep(2.1)
        saved = channel_token("$editors", user)
    until = Revocation.objects.get().until
    assert until is not None
    assert until >= begun + timedelta(seconds=2.1 + 2)
    expires = jwt.decode(saved, options={"verify_signature": False})["exp"]
    assert until.timestamp() >= expires
