"""Several databases, one order for all that a transaction publishes, and nothing of it that stays in memory."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.backends.cache import SessionStore
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.transaction import TransactionManagementError, atomic
from django.http import HttpRequest
from django.test import RequestFactory

from instant import apublish, apublish_many, html, publish, publish_many, publish_to_users
from instant.events import OP_UPDATE, BaseEventModel, Event
from instant.messages import Message
from instant.models import OutboxEntry, Revocation
from instant.revocation import arecheck, recheck, recording
from instant.testing import capture_published
from instant.windows import BROADCAST, SERVER, WindowInfo, atrigger, deliver_messages, signal, trigger
from instant.windows.topics import channel_of
from tests.blog.models import Post
from tests.features import use_features
from tests.postgres import _in_file, opened

pytestmark = pytest.mark.django_db(transaction=True)


class Undo(Exception):
    pass


@pytest.fixture
def other(tmp_path: Path, django_db_blocker: Any, migrated_file: Path) -> Iterator[str]:
    """The alias of a second database, which has all tables."""
    path = shutil.copy(migrated_file, tmp_path / "other.sqlite3")
    with opened(_in_file(Path(path))) as alias:
        connections[alias].connect()  # Django's tests let nobody connect to a database that they do not know
        yield alias


class PostEvents(BaseEventModel):
    model = Post
    fields = ("title",)
    channel = "$posts"


def request_with_a_message() -> HttpRequest:
    request = RequestFactory().post("/")
    request.user, request.session = AnonymousUser(), SessionStore()
    MessageMiddleware(lambda request: None).process_request(request)
    messages.info(request, "x")
    return request


PUBLISHES: dict[str, Callable[..., Any]] = {
    "deliver_messages": lambda **how: deliver_messages(request_with_a_message(), to=BROADCAST, **how),
    "publish": lambda **how: publish("$c", "x", on_commit=True, **how),
    "publish_many": lambda **how: publish_many([{"channel": "$c", "message": "x"}], on_commit=True, **how),
    "publish_to_users": lambda **how: publish_to_users([1], "x", on_commit=True, **how),
    "stream": lambda **how: html.stream("$c", "remove", "#x", on_commit=True, **how),
    "astream": lambda **how: async_to_sync(html.astream)("$c", "remove", "#x", on_commit=True, **how),
    "Event.send": lambda **how: Event("shop.sold").send("$c", **how),
    "Event.asend": lambda **how: async_to_sync(Event("shop.sold").asend)("$c", **how),
    "apublish": lambda **how: async_to_sync(apublish)("$c", "x", on_commit=True, **how),
    "apublish_many": lambda **how: async_to_sync(apublish_many)(
        [{"channel": "$c", "message": "x"}], on_commit=True, **how
    ),
    "trigger": lambda **how: trigger(None, "shop.sold", to=BROADCAST, **how),
    "atrigger": lambda **how: async_to_sync(atrigger)(None, "shop.sold", to=BROADCAST, **how),
}
every = pytest.mark.parametrize("name", PUBLISHES)


@every
def test_using_waits_for_the_commit_of_that_database(name: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch, windows=True)
    with capture_published() as published:
        with pytest.raises(Undo), transaction.atomic(using=other):
            PUBLISHES[name](using=other)
            raise Undo
        assert not published
        with transaction.atomic(using=other), transaction.atomic():
            PUBLISHES[name](using=other)
            assert not published
        assert len(published) == 1


@every
def test_without_autocommit_there_is_no_commit_to_wait_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `transaction.on_commit()`: the message would be sent at once, and stay sent after a rollback."""
    use_features(monkeypatch, windows=True)
    User.objects.exists()
    transaction.set_autocommit(False)
    try:
        with capture_published() as published:
            with pytest.raises(TransactionManagementError, match="because its autocommit is off"):
                PUBLISHES[name]()
            assert not published
            with transaction.atomic():
                PUBLISHES[name]()
            assert not published
            transaction.commit()
            transaction.set_autocommit(True)  # Django runs the on-commit work here
            assert len(published) == 1
    finally:
        if not transaction.get_autocommit():
            transaction.rollback()
            transaction.set_autocommit(True)


@every
def test_without_using_another_transaction_that_is_open_alone_is_an_error(
    name: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_features(monkeypatch, windows=True)
    with capture_published() as published:
        with transaction.atomic(using=other):
            with pytest.raises(TransactionManagementError, match=f"using='{other}'"):
                PUBLISHES[name]()
            assert not published
            PUBLISHES[name](using=DEFAULT_DB_ALIAS)  # which has no transaction, so that there is none to wait for
            assert len(published) == 1
        with transaction.atomic(using=other), transaction.atomic():
            PUBLISHES[name]()
            assert len(published) == 1
        assert len(published) == 2


def test_using_without_on_commit_is_an_error(other: str) -> None:
    with capture_published() as published:
        for call in (
            lambda: publish("$c", "x", using=other),
            lambda: publish_many([{"channel": "$c", "message": "x"}], using=other),
            lambda: asyncio.run(apublish("$c", "x", using=other)),
            lambda: trigger(None, "shop.sold", to=BROADCAST, immediate=True, using=other),
        ):
            with pytest.raises(TypeError, match="using="):
                call()
    assert not published


def test_functions_on_the_server_wait_for_that_database_too(other: str) -> None:
    called: list[str] = []

    @signal("shop.counted")
    def count(window_info: object) -> None:
        called.append("x")

    with transaction.atomic(using=other):
        trigger(None, "shop.counted", to=SERVER, using=other)
        assert called == []
    assert called == ["x"]


EMITS = {
    "emit": (PostEvents.emit, PostEvents.emit_many),
    "aemit": (async_to_sync(PostEvents.aemit), async_to_sync(PostEvents.aemit_many)),
}


@pytest.mark.parametrize("name", EMITS)
def test_emit_waits_for_that_database(name: str, other: str) -> None:
    emit, emit_many = EMITS[name]
    with atomic():
        post = Post.objects.create(title="One")
    with capture_published() as published:
        with pytest.raises(Undo), transaction.atomic(using=other):
            emit(post, OP_UPDATE, using=other)
            assert emit_many(Post.objects.all(), OP_UPDATE, using=other) == 1
            raise Undo
        assert not published
        with transaction.atomic(using=other):
            emit(post, OP_UPDATE, using=other)
            assert emit_many(Post.objects.all(), OP_UPDATE, using=other) == 1
            assert not published
        assert [item.data["pk"] for item in published] == [
            post.pk,
            post.pk,
        ]  # not registered: each is an event of its own


@pytest.mark.parametrize("name", EMITS)
def test_without_using_emit_waits_for_the_database_of_the_object(name: str, other: str) -> None:
    emit, _ = EMITS[name]
    post = Post.objects.using(other).create(title="One")
    with capture_published() as published:
        with pytest.raises(Undo), transaction.atomic(using=other):
            emit(post, OP_UPDATE)
            raise Undo
        with transaction.atomic():
            emit(post, OP_UPDATE)
            assert len(published) == 1
    assert len(published) == 1


@pytest.mark.parametrize("again", [recheck, async_to_sync(arecheck)], ids=["recheck", "arecheck"])
def test_recheck_names_using(again: Callable[..., None], other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch, windows=True)
    enforced: list[Any] = []
    monkeypatch.setattr(recording, "_enforce", enforced.extend)
    user = User.objects.create(username="ann")
    Revocation.objects.all().delete()
    enforced.clear()
    with transaction.atomic(using=other):
        with pytest.raises(TransactionManagementError, match=f"using='{other}'"):
            again(users=[user])
        assert not Revocation.objects.exists()
        again(users=[user], channels=["$a"], topics=["desk"], using=other)
        assert enforced == []
    desk = channel_of("desk", WindowInfo())
    assert sorted(key[1:3] for key in enforced) == sorted([("", "$a"), ("", desk), (str(user.pk), "")])


def test_with_the_outbox_the_row_is_written_when_the_other_database_commits(other: str, settings: Any) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"
    with pytest.raises(Undo), transaction.atomic(using=other):
        publish("c", "x", on_commit=True, using=other)
        raise Undo
    assert not OutboxEntry.objects.exists()
    with transaction.atomic(using=other):
        with pytest.raises(TransactionManagementError, match="using="):
            publish("c", "x", on_commit=True)
        publish("c", "x", on_commit=True, using=other)
        assert not OutboxEntry.objects.exists()
    assert OutboxEntry.objects.count() == 1


# order


@pytest.fixture
def post_events() -> Iterator[None]:
    PostEvents().register()
    yield
    PostEvents.unregister()


def shown(published: Any) -> list[str]:
    return [item.message or f"{item.data['operation']} {item.data['data']['title']}" for item in published]


@pytest.mark.usefixtures("post_events")
@pytest.mark.parametrize("in_savepoints", [False, True])
def test_model_events_and_messages_keep_their_common_order(in_savepoints: bool) -> None:
    def place() -> Any:
        return transaction.atomic(savepoint=in_savepoints)

    with capture_published() as published, transaction.atomic():
        for number in range(3):
            with place():
                publish("$posts", f"before {number}", on_commit=True)
            with place():
                Post.objects.create(title=str(number))
            with place():
                publish("$posts", f"after {number}", on_commit=True, timeout=number + 1)
    assert shown(published) == [
        text for number in range(3) for text in (f"before {number}", f"create {number}", f"after {number}")
    ]


@pytest.mark.usefixtures("post_events")
def test_signals_and_djangos_messages_keep_their_place_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch, windows=True)
    request = request_with_a_message()
    with capture_published() as published, transaction.atomic():
        publish("$posts", "first", on_commit=True)
        trigger(None, "shop.sold", to=BROADCAST)
        deliver_messages(request, to=BROADCAST)
        Post.objects.create(title="1")
        trigger(None, "shop.closed", to=BROADCAST)
        publish("$posts", "last", on_commit=True)
        assert not messages.get_messages(request).used
    found = [item.message or item.data.get("name") or item.data["operation"] for item in published]
    assert found == ["first", "shop.sold", "messages.add", "create", "shop.closed", "last"]
    assert messages.get_messages(request).used


def test_with_the_outbox_djangos_messages_are_rows_of_the_transaction(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_features(monkeypatch, windows=True)
    settings.INSTANT_BROADCAST_WITH = "outbox"
    request = request_with_a_message()
    with transaction.atomic():
        deliver_messages(request, to=BROADCAST)
        assert OutboxEntry.objects.count() == 1
        assert not messages.get_messages(request).used
    assert messages.get_messages(request).used


@pytest.mark.usefixtures("post_events")
def test_a_rolled_back_savepoint_takes_its_own_out_of_the_order() -> None:
    with capture_published() as published, transaction.atomic():
        Post.objects.create(title="1")
        with pytest.raises(Undo), transaction.atomic():
            publish("$posts", "undone", on_commit=True)
            Post.objects.create(title="undone")
            raise Undo
        publish("$posts", "2", on_commit=True)
        Post.objects.create(title="3")
    assert shown(published) == ["create 1", "2", "create 3"]


@pytest.mark.usefixtures("post_events")
def test_an_event_that_fails_raises_behind_all_messages(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.INSTANT_EVENTS_FAIL_SILENTLY = False

    def broken(self: object, instance: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(PostEvents, "channel", broken)
    with capture_published() as published:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Post.objects.create(title="1")
            publish("$posts", "2", on_commit=True)
        assert [item.message for item in published] == ["2"]


# memory


def living() -> int:
    gc.collect()
    return sum(type(each) is Message for each in gc.get_objects())


@pytest.mark.parametrize("ends_well", [True, False])
def test_no_message_of_a_transaction_stays_in_memory(
    ends_well: bool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from instant.backends.python import PythonBackend
    from instant.messages import Receipt

    monkeypatch.setattr(PythonBackend, "send", lambda self, messages, *_: [Receipt(each) for each in messages])
    settings.INSTANT_BROADCAST_WITH = "python"
    before = living()
    try:
        with transaction.atomic():
            for number in range(200):
                with transaction.atomic(savepoint=number % 3 == 0):
                    publish("c", f"{number}", on_commit=True)
            assert living() == before + 200
            if not ends_well:
                raise Undo
    except Undo:
        pass
    assert living() == before


def test_work_that_stays_registered_in_a_test_holds_no_messages(settings: Any) -> None:
    from django.test import TestCase

    settings.INSTANT_BROADCAST_WITH = "memory"
    from instant.backends import get_backend

    with atomic():
        connection.on_commit(lambda: None)
    get_backend().clear()  # type: ignore[attr-defined]  # what other tests have left there
    before = living()
    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            publish("c", "x", on_commit=True)
        assert connections[DEFAULT_DB_ALIAS].run_on_commit
        get_backend().clear()  # type: ignore[attr-defined]
        assert living() == before


class TestInATestCase:
    """Django's own transaction around each test is nobody's."""

    pytestmark = pytest.mark.django_db

    def test_what_waits_for_another_database_is_captured(self, other: str) -> None:
        with capture_published() as published, transaction.atomic(using=other):
            publish("$c", "x", on_commit=True, using=other)
        assert [item.message for item in published] == ["x"]
