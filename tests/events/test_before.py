"""What is worked out before a change: deletions of children with their parents, moves between channels, expressions."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.db.models import F, Value, signals
from django.db.models.functions import Lower
from django.test.utils import CaptureQueriesContext

from instant import events
from instant.events import OP_CREATE, OP_DELETE, OP_UPDATE, BaseEventModel
from instant.testing import Published
from tests.blog.models import Author, Booking, Post, Remark, Room, Seat, Tag, Ticket

pytestmark = pytest.mark.django_db(transaction=True)


class SeatEvents(BaseEventModel):
    abstract = True
    model = Seat
    fields = ("id", "number")
    m2m = ("guests",)

    def channel(self, instance: Seat) -> str:
        return f"$room.{instance.room.slug}"


class RemarkEvents(BaseEventModel):
    abstract = True
    model = Remark
    fields = ("id",)

    def channel(self, instance: Remark) -> str:
        return f"$room.{instance.about.slug if instance.about else 'lobby'}"


class PostEvents(BaseEventModel):
    abstract = True
    model = Post
    fields = ("id", "title")

    def channel(self, instance: Post) -> str | None:
        return f"$posts.{instance.title}" if instance.title != "draft" else None


@pytest.fixture(autouse=True)
def registered() -> None:
    for each in (SeatEvents, RemarkEvents, PostEvents):
        each().register()


def told(published: Published) -> list[tuple[str, str, Any]]:
    return [(message.channel, message.data["operation"], message.data["pk"]) for message in published]


def test_children_that_are_deleted_with_their_parent(published: Published) -> None:
    room = Room.objects.create(slug="red")
    seat, remark = Seat.objects.create(room=room), Remark.objects.create(about=room)
    ann = Author.objects.create(name="Ann")
    seat.guests.add(ann)
    keys = seat.pk, remark.pk
    before = len(published)
    Room.objects.get(slug="red").delete()
    assert sorted(told(published)[before:]) == sorted(("$room.red", "delete", key) for key in keys)
    (data,) = [message.data for message in published[before:] if message.data["event"] == "blog.Seat"]
    assert data["data"] == {"id": keys[0], "number": 0, "guests": [ann.pk]}


def test_a_hook_that_reads_the_parent(published: Published) -> None:
    @events.on(SeatEvents, OP_DELETE)
    def slug(event: dict[str, Any], instance: Seat) -> dict[str, Any]:
        return {**event, "data": {"room": instance.room.slug}}

    try:
        seat = Seat.objects.create(room=Room.objects.create(slug="red"))
        seat.room.delete()
        assert published[-1].data["data"] == {"room": "red"}
    finally:
        events.hooks.remove(slug)


def test_a_deletion_that_is_rolled_back(published: Published) -> None:
    seat = Seat.objects.create(room=Room.objects.create(slug="red"))
    before = len(published)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        seat.delete()
        raise ZeroDivisionError
    assert len(published) == before


def test_a_function_that_fails_breaks_no_deletion(
    published: Published, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seat = Seat.objects.create(room=Room.objects.create(slug="red"))
    pk, before = seat.pk, len(published)

    def broken(self: object, instance: object) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")
        return ""

    monkeypatch.setattr(SeatEvents, "channel", broken)
    seat.delete()
    assert not Seat.objects.exists()
    assert len(published) == before
    assert f"(delete) of pk {pk} was not sent" in caplog.text


def test_data_that_fails_is_left_out_and_the_log_says_so(
    published: Published, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class TicketEvents(BaseEventModel):
        model = Ticket

    TicketEvents().register()
    ticket = Ticket.objects.create(title="One")

    def broken(self: object) -> None:
        raise ZeroDivisionError("broken")

    monkeypatch.setattr(Ticket, "to_dict", broken)
    ticket.delete()
    assert published[-1].data["data"] == {}
    assert "was sent without its data: broken" in caplog.text
    assert "not sent" not in caplog.text


# moves


def test_an_object_that_moves_leaves_its_channel(published: Published) -> None:
    post = Post.objects.create(title="new")
    post.title = "done"
    post.save()
    assert told(published)[1:] == [("$posts.new", "delete", post.pk), ("$posts.done", "update", post.pk)]
    removal, update = published[1:]
    assert removal.event_class == "object deleted"
    assert removal.data["data"] == {"id": post.pk, "title": "new"}
    assert removal.data["event"] == "blog.Post"
    assert update.data["data"]["title"] == "done"


def test_an_object_made_by_hand_moves_too(published: Published) -> None:
    post = Post.objects.create(title="new")
    Post(pk=post.pk, title="done").save()
    assert told(published)[1:] == [("$posts.new", "delete", post.pk), ("$posts.done", "update", post.pk)]


def test_an_object_that_is_in_no_channel_any_more(published: Published) -> None:
    post = Post.objects.create(title="new")
    post.title = "draft"
    post.save()
    post.title = "new"
    post.save()
    assert told(published)[1:] == [("$posts.new", "delete", post.pk), ("$posts.new", "update", post.pk)]


def test_an_object_that_stays(published: Published) -> None:
    post = Post.objects.create(title="new")
    post.views = 5
    post.save()
    assert told(published)[1:] == [("$posts.new", "update", post.pk)]


def test_moves_in_one_transaction_are_one(published: Published) -> None:
    post = Post.objects.create(title="a")
    with transaction.atomic():
        for title in "bcd":
            post.title = title
            post.save()
    assert told(published)[1:] == [("$posts.a", "delete", post.pk), ("$posts.d", "update", post.pk)]
    with transaction.atomic():
        for title in "xd":
            post.title = title
            post.save()
    assert told(published)[3:] == [("$posts.d", "update", post.pk)]


def test_created_and_moved_is_a_creation(published: Published) -> None:
    with transaction.atomic():
        post = Post.objects.create(title="a")
        post.title = "b"
        post.save()
    assert told(published) == [("$posts.b", "create", post.pk)]


def test_moved_and_deleted_is_a_deletion_in_the_first_channel(published: Published) -> None:
    post = Post.objects.create(title="a")
    pk = post.pk
    with transaction.atomic():
        post.title = "b"
        post.save()
        post.delete()
    assert ("$posts.a", "delete", pk) in told(published)[1:]
    assert {operation for _, operation, _ in told(published)[1:]} == {"delete"}


@pytest.mark.parametrize("update_fields", [None, ["title"]])
@pytest.mark.parametrize("move", ["b", "a"])
def test_moved_and_deleted_in_another_savepoint(published: Published, update_fields: Any, move: str) -> None:
    """The row is gone when the incomplete change is sent. Its old channels must not keep the object."""
    post = Post.objects.create(title="a")
    pk = post.pk
    with transaction.atomic():
        post.title = move
        post.save(update_fields=update_fields)
        with transaction.atomic():
            post.delete()
    removals = [channel for channel, operation, _ in told(published)[1:] if operation == "delete"]
    assert sorted(removals) == sorted({"$posts.a", f"$posts.{move}"})
    assert {each[2] for each in told(published)} == {pk}


def test_moved_by_an_expression_and_deleted_in_another_savepoint(published: Published) -> None:
    post = Post.objects.create(title="a")
    with transaction.atomic():
        post.title = Lower(Value("B"))
        post.save(update_fields=["title"])
        with transaction.atomic():
            Post.objects.get(pk=post.pk).delete()
    removals = [channel for channel, operation, _ in told(published)[1:] if operation == "delete"]
    assert removals == ["$posts.a", "$posts.b"]


@pytest.mark.parametrize("in_transaction", [True, False])
def test_an_earlier_receiver_saves_the_object_again(published: Published, in_transaction: bool) -> None:
    def receiver(instance: Post, created: bool, **kwargs: Any) -> None:
        if not created and instance.views == 0:
            instance.views = 1
            instance.save(update_fields=["views"])

    post = Post.objects.create(title="a")
    receivers = signals.post_save.receivers
    signals.post_save.connect(receiver, Post, weak=False)
    receivers.insert(0, receivers.pop())  # before ours
    try:
        with transaction.atomic() if in_transaction else nullcontext():
            post.title = "b"
            post.save()
    finally:
        signals.post_save.disconnect(receiver, Post)
    assert ("$posts.a", "delete", post.pk) in told(published)
    assert told(published)[-1] == ("$posts.b", "update", post.pk)


def test_deleted_and_made_again_elsewhere(published: Published) -> None:
    post = Post.objects.create(title="a")
    pk = post.pk
    with transaction.atomic():
        post.delete()
        Post.objects.create(pk=pk, title="b")
    assert told(published)[1:] == [("$posts.a", "delete", pk), ("$posts.b", "update", pk)]


def test_without_deletions_nothing_is_read_before(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    PostEvents.unregister()
    monkeypatch.setattr(PostEvents, "operations", (OP_CREATE, OP_UPDATE))
    PostEvents().register()
    post = Post.objects.create(title="a")
    post.title = "b"
    with CaptureQueriesContext(
        connection,
    ) as queries:
        post.save()
    assert len(queries) == 1
    assert told(published)[1:] == [("$posts.b", "update", post.pk)]


def test_a_channel_that_follows_a_many_to_many_field(published: Published) -> None:
    class Tagged(BaseEventModel):
        model = Post
        name = "tagged"
        fields = ("id",)
        m2m = ("tags",)

        def channel(self, instance: Post) -> list[str]:
            return [f"$tag.{tag.name}" for tag in instance.tags.all()]

    PostEvents.unregister()
    Tagged().register()
    one, two = (Tag.objects.create(name=name) for name in ("one", "two"))
    post = Post.objects.create(title="x")
    post.tags.add(one)
    post.tags.set([two])
    two.posts.clear()
    assert told(published) == [
        ("$tag.one", "update", post.pk),
        ("$tag.one", "delete", post.pk),
        ("$tag.two", "update", post.pk),
        ("$tag.two", "delete", post.pk),
    ]


# tables between two models


def test_rows_of_a_declared_table_are_changes_of_the_field(published: Published) -> None:
    seat = Seat.objects.create(room=Room.objects.create(slug="red"))
    other = Seat.objects.create(room=seat.room)
    ann = Author.objects.create(name="Ann")
    before = len(published)
    booking = Booking.objects.create(seat=seat, guest=ann)
    booking.seat = other
    booking.save()
    Booking.objects.all().delete()
    found = [(message.data["pk"], message.data["changed"], message.data["data"]["guests"]) for message in published]
    assert found[before:] == [
        (seat.pk, ["guests"], [ann.pk]),
        (seat.pk, ["guests"], []),
        (other.pk, ["guests"], [ann.pk]),
        (other.pk, ["guests"], []),
    ]


def test_rows_that_vanish_with_their_object_are_its_deletion(published: Published) -> None:
    seat = Seat.objects.create(room=Room.objects.create(slug="red"))
    Booking.objects.create(seat=seat, guest=Author.objects.create(name="Ann"))
    before, pk = len(published), seat.pk
    seat.delete()
    assert told(published)[before:] == [("$room.red", "delete", pk)]


def test_removing_from_the_field_is_one_change(published: Published) -> None:
    seat = Seat.objects.create(room=Room.objects.create(slug="red"))
    ann = Author.objects.create(name="Ann")
    seat.guests.add(ann)
    before = len(published)
    seat.guests.remove(ann)
    assert told(published)[before:] == [("$room.red", "update", seat.pk)]


# expressions


def test_an_expression_in_an_object_that_is_deleted_is_read_back(
    published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    class Views(BaseEventModel):
        model = Post
        name = "views"
        fields = ("id", "views")
        channel = "$views"

    Views().register()
    for save in (True, False):
        post = Post.objects.create(title="x", views=3)
        post.views = F("views") + 1
        if save:
            post.save(update_fields=["views"])
            post.views = F("views") * 2
        pk = post.pk
        post.delete()
        deletion = next(each for each in reversed(published) if each.channel == "$views")
        assert deletion.data["data"] == {"id": pk, "views": 4 if save else 3}
    assert caplog.text == ""


def test_an_expression_that_cannot_be_read_is_left_out(published: Published, caplog: pytest.LogCaptureFixture) -> None:
    class Views(BaseEventModel):
        model = Post
        name = "views"
        fields = ("id", "views")
        channel = "$views"

    Views().register()
    Views.emit(Post(pk=7, views=F("views") + 1), OP_DELETE)
    assert published[-1].data["data"] == {"id": 7}
    assert caplog.text == ""


def test_functions_of_the_project_see_no_expression(published: Published) -> None:
    class ByViews(BaseEventModel):
        model = Post
        name = "by views"
        fields = ("id",)

        def channel(self, instance: Post) -> str:
            assert isinstance(instance.views, int)
            return f"$views.{instance.views}"

    ByViews().register()
    post = Post.objects.create(title="x", views=1)
    post.views = F("views") + 1
    post.save()
    post.views = 99
    post.title = "y"
    post.save(update_fields=["title"])
    own = [(message.channel, message.data["operation"]) for message in published if message.data["event"] == "by views"]
    assert own == [("$views.1", "create"), ("$views.1", "delete"), ("$views.2", "update"), ("$views.2", "update")]


@pytest.mark.parametrize("backend", ["outbox"])
def test_with_the_outbox(backend: str, settings: Any) -> None:
    import json

    from instant.models import OutboxEntry

    settings.INSTANT_BROADCAST_WITH = backend
    seat = Seat.objects.create(room=Room.objects.create(slug="red"))
    seat.room = Room.objects.create(slug="blue")
    seat.save()
    seat.room.delete()
    rows = [json.loads(row.payload) for row in OutboxEntry.objects.order_by("pk")]
    assert [(row["channel"], row["data"]["data"]["operation"]) for row in rows] == [
        ("$room.red", "create"),
        ("$room.red", "delete"),
        ("$room.blue", "update"),
        ("$room.blue", "delete"),
    ]


def test_the_row_is_locked_before_it_moves(postgres: str) -> None:
    post = Post.objects.create(title="a")
    with transaction.atomic(postgres), CaptureQueriesContext(transaction.get_connection(postgres)) as queries:
        post.title = "b"
        post.save()
    assert any("FOR UPDATE" in query["sql"] for query in queries)


def test_a_base_manager_that_groups_is_not_locked(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL refuses FOR UPDATE with GROUP BY; the save must not fail for that."""
    manager = models.Manager.from_queryset(type("Counted", (models.QuerySet,), {}), class_name="CountedManager")()
    manager.model = Post
    monkeypatch.setattr(
        type(manager), "get_queryset", lambda self: models.QuerySet(Post).annotate(tags_there=models.Count("tags"))
    )
    monkeypatch.setattr(Post._meta, "base_manager", manager)
    post = Post.objects.create(title="a")
    with transaction.atomic(postgres), CaptureQueriesContext(transaction.get_connection(postgres)) as queries:
        post.title = "b"
        post.save()
    assert not any("FOR UPDATE" in query["sql"] for query in queries)
