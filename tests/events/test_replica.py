"""Whatever is done to three tables: who applies the events has what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, transaction
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from instant import publish
from instant.access.tokens import channel_token, connection_token
from instant.events import BaseEventModel, registered
from instant.models import OutboxEntry
from instant.testing import LiveServer, Published, capture_published
from tests.blog.models import Author, Cafe, Place, Post, Tag
from tests.clients import SyncClient

Tables = dict[str, dict[Any, Any]]


class Undo(Exception):
    pass


Names = strategies.sampled_from(["a", "b", "c"])
Pks = strategies.integers(1, 3)
Writes = strategies.one_of(
    strategies.tuples(strategies.just("author"), Pks, Names),
    strategies.tuples(strategies.just("post"), Pks, Names, strategies.none() | Pks),
    strategies.tuples(strategies.just("cafe"), Pks, Names),
    strategies.tuples(strategies.just("title"), Pks, Names),
    strategies.tuples(strategies.just("unsaved"), Pks, Names),
    strategies.tuples(strategies.sampled_from(["tag", "untag", "tagged", "clear"]), Pks, Pks),
    strategies.tuples(strategies.just("delete"), strategies.sampled_from([Author, Post, Cafe, Place]), Pks),
)
Steps = strategies.recursive(
    Writes,
    lambda steps: strategies.tuples(strategies.sampled_from(["commit", "undo"]), strategies.lists(steps, max_size=5)),
    max_leaves=15,
)


def author(pk: int, name: str) -> None:
    Author(pk=pk, name=name).save()


def post(pk: int, title: str, author: int | None) -> None:
    owner = Author.objects.filter(pk=author).first()
    Post(pk=pk, title=title, author=owner).save()


def cafe(pk: int, name: str) -> None:
    Cafe(pk=pk, name=name).save()


def title(pk: int, title: str) -> None:
    for found in Post.objects.filter(pk=pk):
        found.title, found.text = title, "not saved"
        found.save(update_fields=["title"])


def unsaved(pk: int, title: str) -> None:
    """What is done to an object after it was saved is nobody's business."""
    for found in Post.objects.filter(pk=pk):
        found.text = title
        found.save()
        found.title, found.author_id, found.text = "not saved", 99, "not saved"


def tag(pk: int, tag: int) -> None:
    for found in Post.objects.filter(pk=pk):
        found.tags.add(tag)


def untag(pk: int, tag: int) -> None:
    for found in Post.objects.filter(pk=pk):
        found.tags.remove(tag)


def tagged(pk: int, tag: int) -> None:
    for found in Post.objects.filter(pk=pk):
        Tag.objects.get(pk=tag).posts.add(found)


def clear(pk: int, tag: int) -> None:
    Tag.objects.get(pk=tag).posts.clear()


def delete(model: Any, pk: int) -> None:
    for found in model.objects.filter(pk=pk):
        found.delete()


DO: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (author, post, cafe, title, unsaved, tag, untag, tagged, clear, delete)
}


def run(steps: list[Any], using: str) -> None:
    for step in steps:
        if step[0] not in ("commit", "undo"):
            DO[step[0]](*step[1:])
            continue
        outcome, inner = step
        try:
            with transaction.atomic(using, savepoint=outcome == "undo" or len(inner) % 2 == 0):
                run(inner, using)
                if outcome == "undo":
                    raise Undo
        except Undo:
            pass


def tables() -> Tables:
    """What is in the database now."""
    found: Tables = {event.event_name: {} for event in registered()}
    for event in registered():
        for instance in event.plan.model.objects.all():  # type: ignore[attr-defined]
            values = {name: field.value_from_object(instance) for name, field in event.plan.fields}
            for field in event.plan.m2m:
                values[field.name] = sorted(getattr(instance, field.name).values_list("pk", flat=True))
            found[event.event_name][instance.pk] = values
    return found


def applied(replica: Tables, events: list[dict[str, Any]]) -> None:
    for event in events:
        table = replica[event["event"]]
        if event["operation"] == "delete":
            del table[event["pk"]]
        else:
            assert (event["operation"] == "update") == (event["pk"] in table), event
            table[event["pk"]] = event["data"]


def start(coalesces: bool = True) -> None:
    for event in registered():
        type(event).unregister()
    for model in (Author, Post, Cafe):
        fields = {"exclude": ("details", "published")} if model is Post else {}
        attributes = {"model": model, "m2m": ("tags",) if model is Post else (), "coalesce": coalesces, **fields}
        type("Events", (BaseEventModel,), {"__module__": "shop.events", **attributes})().register()


def empty() -> None:
    for model in (Post, Author, Place, Tag):
        model.objects.all().delete()  # type: ignore[attr-defined]
    Tag.objects.bulk_create([Tag(pk=pk, name=str(pk)) for pk in (1, 2, 3)])
    OutboxEntry.objects.all().delete()


def check(steps: list[Any], using: str, published: Published | None) -> None:
    empty()
    start_at = len(published) if published is not None else 0
    run(steps, using)
    replica: Tables = {event.event_name: {} for event in registered()}
    if published is None:
        events = [json.loads(row.payload)["data"]["data"] for row in OutboxEntry.objects.order_by("pk")]
    else:
        events = [message.data for message in published[start_at:]]
    applied(replica, events)
    assert replica == tables()


class Reader:
    """A client in the channels of all events, at a running server."""

    def __init__(self, client: SyncClient) -> None:
        self.client, self.count = client, 0
        self.channels = [event.default_channel for event in registered()]
        for channel in self.channels:
            client.join(channel, channel_token(channel, AnonymousUser()))

    def events(self) -> list[dict[str, Any]]:
        """Return what has come since the last call."""
        self.count += 1
        for channel in self.channels:
            publish(channel, f"end {self.count}", timeout=30)
        self.client.wait(lambda: self.client.texts().count(f"end {self.count}") == len(self.channels), "for the ends")
        found = [payload["data"] for _, payload in self.client.received if payload.get("message") is None]
        self.client.received.clear()
        return found


def as_json(found: Tables) -> Any:
    """As a client sees them."""
    return json.loads(json.dumps(found, cls=DjangoJSONEncoder))


def examples(number: int) -> hypothesis_settings:
    """So many, however long one takes."""
    return hypothesis_settings(deadline=None, max_examples=number, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=["sqlite", "postgres"])
def using(request: pytest.FixtureRequest) -> str:
    """A database whose commits do not wait for the disk."""
    alias: str = request.getfixturevalue(request.param)
    if request.param == "sqlite":
        with request.getfixturevalue("django_db_blocker").unblock(), connections[alias].cursor() as cursor:
            cursor.execute("PRAGMA synchronous = OFF")
    return alias


@pytest.mark.slow
@pytest.mark.parametrize("coalesces", [True, False])
def test_the_replica_is_the_table(using: str, coalesces: bool, django_db_blocker: Any) -> None:
    start(coalesces)

    @examples(80)
    @given(strategies.lists(Steps, max_size=8))
    def search(steps: list[Any]) -> None:
        with capture_published() as published:
            check(steps, using, published)

    with django_db_blocker.unblock():
        search()


@pytest.mark.slow
def test_over_a_server(server: LiveServer, using: str, django_db_blocker: Any) -> None:
    start()
    with django_db_blocker.unblock(), SyncClient(server.websocket_url, connection_token(AnonymousUser())) as client:
        reader = Reader(client)

        @examples(40)
        @given(strategies.lists(Steps, max_size=8))
        def search(steps: list[Any]) -> None:
            empty()
            replica: Tables = {event.event_name: {} for event in registered()}
            reader.events()
            run(steps, using)
            applied(replica, reader.events())
            assert as_json(replica) == as_json(tables())

        search()


@pytest.mark.slow
def test_by_way_of_the_outbox(using: str, django_db_blocker: Any, settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"
    start()

    @examples(40)
    @given(strategies.lists(Steps, max_size=8))
    def search(steps: list[Any]) -> None:
        check(steps, using, None)

    with django_db_blocker.unblock():
        search()
    assert connections[using].run_on_commit == []
