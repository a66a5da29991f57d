"""Not to the sender: whom a request names, and the tags that tell it, by every way that a message takes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.test import RequestFactory
from pytest_django import Settings

from instant import Message, apublish, flush, publish, publish_many, publish_to_users, sender
from instant.backends.python import requests_for
from instant.centrifugo import cent_api
from instant.exceptions import InvalidMessage
from instant.exclude import tags_of
from instant.models import OutboxEntry
from instant.protocol import MAX_SENDER_IDS, SENDER_HEADER
from instant.testing import LiveServer, Published
from tests.backends.conftest import binary, go  # noqa: F401 - fixtures
from tests.fakes import fake_server

ONE, TWO = "0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TAGS = {"user": "5", "client": f"{ONE},{TWO}"}


def request_of(ids: str | None, user: Any = None) -> Any:
    headers = {} if ids is None else {SENDER_HEADER: ids}
    request = RequestFactory().post("/", headers=headers)
    if user is not None:
        request.user = user
    return request


@pytest.fixture
def request_() -> Any:
    return request_of(f"{ONE},{TWO}", User(pk=5, username="ann"))


def test_a_request_gives_its_ids_and_the_user_of_whom_django_is_sure(request_: Any, settings: Settings) -> None:
    assert tags_of(request_) == TAGS
    assert tags_of(request_of(f" {ONE}, {TWO} ", User(pk=5))) == TAGS
    assert tags_of(request_of(ONE, AnonymousUser())) == {"user": "", "client": ONE}
    assert tags_of(request_of(ONE)) == {"user": "", "client": ONE}
    settings.INSTANT_USER_ID = "username"
    request_.user.username = "ann@example.org,x:y"
    assert tags_of(request_) == {**TAGS, "user": "ann@example.org,x:y"}


def test_anything_with_headers_will_do() -> None:
    assert tags_of(SimpleNamespace(headers={SENDER_HEADER: ONE}, user=User(pk=5))) == {"user": "5", "client": ONE}


@pytest.mark.parametrize(
    "ids",
    [
        None,
        "",
        "x",
        ONE[:-1],
        f"{ONE}x",
        f"{ONE},",
        f"{ONE},{TWO},nonsense",
        ONE.upper(),
        f"{ONE}\n",
        ",".join([ONE] * (MAX_SENDER_IDS + 1)),
        f"{ONE}@7",
        "-" * 35,
    ],
)
def test_a_header_that_names_no_clients_leaves_nobody_out(ids: str | None) -> None:
    user = User(pk=5)
    assert tags_of(SimpleNamespace(headers={} if ids is None else {SENDER_HEADER: ids}, user=user)) is None
    assert sender(request_of(None, user)) == ""


def test_as_many_ids_as_a_page_has_had() -> None:
    ids = ",".join([ONE] * MAX_SENDER_IDS)
    assert tags_of(request_of(ids, User(pk=5))) == {"user": "5", "client": ids}


def test_the_senders_text_goes_through_json(request_: Any) -> None:
    text = json.loads(json.dumps({"sender": sender(request_)}))["sender"]
    assert isinstance(text, str)
    assert tags_of(text) == TAGS
    assert tags_of("") is None


def test_a_clients_id_alone() -> None:
    assert tags_of(ONE) == {"client": ONE}
    assert tags_of("nonsense") is None


def test_the_user_is_not_looked_up_for_nothing() -> None:
    class Request:
        headers: ClassVar[dict[str, str]] = {}

        @property
        def user(self) -> Any:
            raise AssertionError("a query for nothing")

    assert tags_of(Request()) is None


@pytest.mark.parametrize("exclude", [5, User(pk=1), object(), ["x"]], ids=type)
def test_what_is_no_sender(exclude: Any) -> None:
    with pytest.raises(TypeError, match=r"request, the text of instant.sender\(\), or a client's id"):
        publish("$users", "Hello", exclude=exclude)


# Every way out


@pytest.mark.django_db
def test_messages_carry_tags(request_: Any, published: Published) -> None:
    publish("$users", "Hello", exclude=request_)
    publish("$users", "Hello", exclude=sender(request_), on_commit=True)
    publish("$users", "Hello", exclude=None)
    publish("$users", "Hello", exclude=request_of(None))
    publish_many(
        [{"channel": "$a", "data": 1, "exclude": request_}, {"channels": ["$b", "$c"], "data": 1, "exclude": ONE}]
    )
    publish_to_users([5], "Hello", exclude=request_)
    found = [(item.channel, item.tags) for item in published]
    # What waits for the commit comes when the list is looked at.
    assert [tags for channel, tags in found if channel == "$users"] == [TAGS, None, None, TAGS]
    assert [each for each in found if each[0] != "$users"] == [
        ("$a", TAGS),
        ("$b", {"client": ONE}),
        ("$c", {"client": ONE}),
        ("$user.5", TAGS),
    ]


async def test_apublish(request_: Any, published: Published) -> None:
    await apublish("$users", "Hello", exclude=request_)
    assert [item.tags for item in published.messages] == [TAGS]


def bodies(*messages: Message) -> list[Any]:
    return [json.loads(request.body) for request in requests_for(messages)]


def test_publish_broadcast_and_batch_have_them() -> None:
    tagged, plain = Message("$a", "x", tags=TAGS), Message("$a", "y")
    assert bodies(tagged)[0]["tags"] == TAGS
    assert "tags" not in bodies(plain)[0]
    assert json.loads(tagged.command()) == bodies(tagged)[0]
    (broadcast,) = bodies(tagged, tagged.to("$b"))
    assert (broadcast["channels"], broadcast["tags"]) == (["$a", "$b"], TAGS)
    (broadcast,) = bodies(plain, plain.to("$b"))
    assert set(broadcast) == {"channels", "data", "idempotency_key"}
    (batch,) = bodies(tagged, plain, tagged, tagged.to("$b"))
    commands = [next(iter(command.values())) for command in batch["commands"]]
    assert [command.get("tags") for command in commands] == [TAGS, None, TAGS]


def test_copies_keep_them_where_payloads_are_text(settings: Settings) -> None:
    settings.INSTANT_PAYLOAD = "string"
    tagged = Message("$a", "x", tags=TAGS)
    assert tagged.to("$b").tags == TAGS


def test_odd_texts_are_escaped() -> None:
    tags = {"user": 'a"\\\n€', "client": ONE}
    assert json.loads(Message("$a", "x", tags=tags).command())["tags"] == tags
    with pytest.raises(InvalidMessage):
        Message("$a", "x", tags={"user": object()}).command()  # type: ignore[dict-item]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("backend", ["python", "thread"])
def test_on_commit_and_by_http(request_: Any, settings: Settings, backend: str) -> None:
    settings.INSTANT_BROADCAST_WITH = backend
    with fake_server() as server:
        with transaction.atomic():
            publish("$users", "Hello", exclude=request_, on_commit=True)
            assert server.requests == []
        publish("$users", "Hello", exclude=request_, wait=True)
        commands = [command["publish"] for request in server.requests for command in request.json.get("commands", [])]
        commands += [request.json for request in server.requests if "commands" not in request.json]
        assert [command["tags"] for command in commands] == [TAGS, TAGS]


@pytest.mark.django_db
def test_the_outbox(request_: Any, settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"
    publish("$users", "Hello", exclude=request_)
    (row,) = OutboxEntry.objects.all()
    assert json.loads(row.payload)["tags"] == TAGS


# The servers


@pytest.mark.parametrize("backend", ["python", "go"])
def test_clients_are_notified(
    server: LiveServer, request_: Any, settings: Settings, backend: str, request: pytest.FixtureRequest
) -> None:
    if backend == "go":
        request.getfixturevalue("go")
    settings.INSTANT_BROADCAST_WITH = backend
    publish("$users", "Hello", exclude=request_)
    publish_to_users([5, 6], "Hello", exclude=request_)
    publish("$users", "Plain")
    assert flush(10)
    history = cent_api.call("history", channel="$users", limit=10).publications
    assert [publication.tags for publication in history] == [TAGS, None]
    for user in (5, 6):
        (publication,) = cent_api.call("history", channel=f"$user.{user}", limit=10).publications
        assert publication.tags == TAGS
