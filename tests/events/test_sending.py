"""Where events go, who may hear them, what hooks make of them, and what happens when they cannot be sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from pytest_django import Settings

from instant.channels import rules
from instant.events import AUTHENTICATED, OP_CREATE, OP_DELETE, OP_UPDATE, BaseEventModel, on
from instant.events.hooks import remove
from instant.exceptions import InvalidEvent, PublishError
from instant.models import OutboxEntry
from instant.testing import Published
from tests.blog.models import Author, Post, Tag, Ticket
from tests.fakes import answer, fake_server

pytestmark = pytest.mark.django_db(transaction=True)


class PostEvents(BaseEventModel):
    model = Post
    fields = ("id", "title")


def register(**attributes: Any) -> type[BaseEventModel]:
    made = type("Events", (PostEvents,), {"__module__": "shop.events", **attributes})
    made().register()
    return made


def test_a_channel_by_name(published: Published) -> None:
    register(channel="$posts")
    Post.objects.create(title="One")
    assert [message.channel for message in published] == ["$posts"]
    assert rules.find("$events.blog.Post") is None


def test_a_channel_by_method(published: Published) -> None:
    def channel(self: BaseEventModel, instance: Post) -> Any:
        return {"none": None, "one": "$a", "two": ["$a", "b", "$a"], "empty": []}[instance.title]

    register(channel=channel)
    for title in ("none", "one", "two", "empty"):
        Post.objects.create(title=title)
    assert [message.channel for message in published] == ["$a", "$a", "b"]
    assert published[1].uid == published[2].uid


def allowed(user: Any, **attributes: Any) -> bool:
    made = register(**attributes)
    match = rules.find("$events.blog.Post")
    assert match is not None
    made.unregister()
    assert rules.find("$events.blog.Post") is None
    return bool(match.function(user))


def test_who_may_join() -> None:
    ann, bob = User.objects.create_user("ann"), User.objects.create_user("bob")
    ann.user_permissions.add(Permission.objects.get(codename="view_post"))
    assert allowed(ann)
    assert not allowed(bob)
    assert not allowed(AnonymousUser())
    assert allowed(ann, permission="blog.view_post")
    assert not allowed(ann, permission="blog.delete_post")
    assert allowed(bob, permission=AUTHENTICATED)
    assert not allowed(ann, permission=lambda user: {})
    assert not allowed(AnonymousUser(), permission=AUTHENTICATED)
    assert allowed(bob, permission=lambda user: user.username == "bob")
    assert not allowed(ann, permission=staticmethod(lambda user: user.username == "bob"))
    assert allowed(bob, permission=lambda self, user: self.event_name == "blog.Post" and user.username == "bob")


def test_hooks_change_and_veto(published: Published) -> None:
    register()
    seen: list[Any] = []

    @on(PostEvents, OP_CREATE, OP_UPDATE)
    def first(event: dict[str, Any], instance: Post) -> dict[str, Any] | None:
        seen.append((event["operation"], instance.title, instance.pk == event["pk"]))
        if instance.title == "secret":
            return None
        event["data"]["length"] = len(instance.title)
        return event

    @on(BaseEventModel)
    def second(event: dict[str, Any], instance: Post) -> dict[str, Any]:
        return {**event, "data": {**event["data"], "all": True}}

    post = Post.objects.create(title="One")
    pk = post.pk
    Post.objects.create(title="secret")
    post.delete()
    assert [message.data["data"] for message in published] == [
        {"id": pk, "title": "One", "all": True, "length": 3},
        {"id": pk, "title": "One", "all": True},
    ]
    assert seen == [("create", "One", True), ("create", "secret", True)]
    remove(first)
    remove(second)
    assert Post.objects.create(title="secret").pk == published[2].data["pk"]


def test_a_hook_that_returns_something_else(published: Published, caplog: pytest.LogCaptureFixture) -> None:
    register()
    on(PostEvents)(lambda event, instance: 5)  # type: ignore[arg-type, return-value]
    Post.objects.create(title="One")
    assert "returned 5" in caplog.text
    published.assert_nothing_published()


REFUSED = answer({"error": {"code": 102, "message": "unknown channel"}})


def test_a_failing_publish_never_breaks_the_save(caplog: pytest.LogCaptureFixture) -> None:
    register()
    with fake_server(REFUSED):
        post = Post.objects.create(title="One")
        with transaction.atomic():
            Post.objects.create(title="Two")
    assert Post.objects.count() == 2
    records = [record for record in caplog.records if record.name == "instant"]
    assert len(records) == 2
    text = records[0].getMessage()
    assert f"the event 'blog.Post' (create) of pk {post.pk} for '$events.blog.Post' was not sent" in text
    assert "unknown channel" in text


def test_turned_round_it_is_raised(settings: Settings) -> None:
    settings.INSTANT_EVENTS_FAIL_SILENTLY = False
    register()
    with fake_server(REFUSED):
        with pytest.raises(PublishError, match="unknown channel"):
            Post.objects.create(title="One")
        with pytest.raises(PublishError):
            with transaction.atomic():
                Post.objects.create(title="Two")
    assert Post.objects.count() == 2  # both were committed


def test_a_thousand_failures_are_a_short_log(caplog: pytest.LogCaptureFixture, settings: Settings) -> None:
    register()
    with fake_server(answer(b"", 500)):
        with transaction.atomic():
            for _ in range(30):
                Post.objects.create(title="One")
    assert len(caplog.records) == 11
    assert "20 more events were not sent" in caplog.text


def test_one_that_cannot_be_written_keeps_no_other(published: Published, caplog: pytest.LogCaptureFixture) -> None:
    def channel(self: BaseEventModel, instance: Post) -> str:
        if instance.title == "bad":
            raise ValueError("no channel for bad ones")
        return "$" if instance.title == "worse" else "$posts"

    register(channel=channel)
    with transaction.atomic():
        for title in ("One", "bad", "worse", "Two"):
            Post.objects.create(title=title)
    assert [message.data["data"]["title"] for message in published] == ["One", "Two"]
    assert "no channel for bad ones" in caplog.text
    assert len(caplog.records) == 2


def test_a_to_dict_that_fails(
    published: Published, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    class Tickets(BaseEventModel):
        model = Ticket

    monkeypatch.setattr(Ticket, "to_dict", lambda self: [])
    Tickets().register()
    ticket = Ticket.objects.create(title="one")
    published.assert_nothing_published()
    assert "to_dict() returned []; it must return a dict" in caplog.text
    ticket.delete()
    assert published[0].data["data"] == {}  # a list has to know that it is gone
    settings.INSTANT_EVENTS_FAIL_SILENTLY = False
    with pytest.raises(TypeError):
        Ticket.objects.create(title="one")


@pytest.fixture
def outbox(settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"


def rows() -> list[str]:
    return [entry.payload for entry in OutboxEntry.objects.order_by("pk")]


def test_the_outbox_has_them_inside_the_transaction(outbox: None) -> None:
    register(m2m=("tags",))
    tag = Tag.objects.create(name="x")
    with transaction.atomic():
        post = Post.objects.create(title="One")
        post.title = "Two"
        post.save(update_fields=["title"])
        tag.posts.add(post)
        tag.posts.clear()
        assert len(rows()) == 4
        assert connection.run_on_commit == []
    assert [f'"tags":{tags}' in row for tags, row in zip(([], [], [tag.pk], []), rows(), strict=True)] == [True] * 4
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Post.objects.create(title="Three")
        1 / 0  # noqa: B018
    assert len(rows()) == 4
    Post.objects.create(title="Four")
    assert len(rows()) == 5


@pytest.fixture
def no_table() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE instant_outboxentry RENAME TO hidden")
        yield
        cursor.execute("ALTER TABLE hidden RENAME TO instant_outboxentry")


@pytest.mark.usefixtures("outbox", "no_table")
def test_a_failing_outbox_leaves_the_callers_transaction_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    register()
    with transaction.atomic():
        Post.objects.create(title="One")
        Post.objects.create(title="Two")
    assert Post.objects.count() == 2
    assert "was not sent" in caplog.text
    settings.INSTANT_EVENTS_FAIL_SILENTLY = False
    with pytest.raises(PublishError), transaction.atomic():
        Post.objects.create(title="Three")
    assert Post.objects.count() == 2


@pytest.mark.usefixtures("outbox")
def test_with_the_outbox_a_save_is_two_statements(django_assert_num_queries: Any) -> None:
    register()
    with transaction.atomic(), django_assert_num_queries(2):
        Post.objects.create(title="One")
    assert len(rows()) == 1


@pytest.fixture
def doomed() -> Iterator[None]:
    """An outbox whose rows make the database give up the transaction, as a full disk does."""
    if connection.vendor != "sqlite":
        pytest.skip("another database")
    with connection.cursor() as cursor:
        fail = "BEGIN SELECT RAISE(ROLLBACK, 'no more'); END"
        cursor.execute(f"CREATE TRIGGER doom BEFORE INSERT ON instant_outboxentry {fail}")
        yield
        cursor.execute("DROP TRIGGER doom")


@pytest.mark.usefixtures("outbox", "doomed")
def test_a_transaction_that_is_over_is_not_taken_for_open(caplog: pytest.LogCaptureFixture) -> None:
    register()
    with pytest.raises(TransactionManagementError), transaction.atomic():
        Post.objects.create(title="One")
        Post.objects.create(title="Two")  # would be written at once, and stay
    assert Post.objects.count() == 0
    assert "no more" in caplog.text


@pytest.mark.usefixtures("outbox")
def test_a_hook_that_fails_in_the_database_leaves_the_callers_transaction_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    register()

    @on(PostEvents)
    def twice(event: dict[str, Any], instance: Post) -> dict[str, Any]:
        Tag(pk=1, name="x").save(force_insert=True)
        return event

    with transaction.atomic():
        Post.objects.create(title="One")
        Post.objects.create(title="Two")
        assert Post.objects.count() == 2
    assert (Post.objects.count(), Tag.objects.count(), len(rows())) == (2, 1, 1)
    assert "UNIQUE" in caplog.text.upper()


def test_emit(published: Published) -> None:
    events = register(operations=None)
    post = Post.objects.create(title="One")
    events.emit(post, OP_UPDATE)
    with transaction.atomic():
        events.emit(post, OP_DELETE)
        assert len(published) == 1
    assert [message.data["operation"] for message in published] == ["update", "delete"]
    with pytest.raises(InvalidEvent, match="'destroy'"):
        events.emit(post, "destroy")  # type: ignore[arg-type]


def test_emit_many_is_a_request_a_thousand(django_assert_num_queries: Any) -> None:
    events = register(m2m=("tags",))
    Post.objects.bulk_create([Post(title=str(number)) for number in range(2500)])
    Post.objects.update(views=1)
    with fake_server() as server:
        with django_assert_num_queries(4):  # the posts, and their tags
            assert events.emit_many(Post.objects.order_by("pk"), OP_UPDATE) == 2500
        assert [len(request.json["commands"]) for request in server.requests] == [1000, 1000, 500]
        with transaction.atomic():
            events.emit_many(Post.objects.order_by("pk")[:10], OP_UPDATE)
            assert len(server.requests) == 3
        assert len(server.requests) == 4


def test_emit_of_a_class_that_is_not_registered(published: Published) -> None:
    Post.objects.create(title="One")
    assert PostEvents.emit_many(Post.objects.only("id"), OP_CREATE) == 1
    assert published[0].data["data"]["title"] == "One"


def test_author_is_not_watched(published: Published) -> None:
    register()
    Author.objects.create(name="Ann")
    published.assert_nothing_published()
