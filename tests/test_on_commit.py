"""on_commit=True, and backends that belong into the transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from django.db import transaction
from django.test import override_settings

from instant import apublish, apublish_many, publish, publish_many
from instant.backends import BaseBackend
from instant.exceptions import InvalidBackend, InvalidMessage, Unreachable
from instant.messages import Message, Receipt
from tests.fakes import answer, closed, fake_server


@pytest.mark.django_db(transaction=True)
def test_on_commit_waits_for_the_commit() -> None:
    with fake_server() as server:
        with transaction.atomic():
            assert publish("c", "1", on_commit=True) is None
            publish_many([{"channel": "c", "message": "2"}], on_commit=True)
            publish("c", "now")
            assert [request.json["data"]["message"] for request in server.requests] == ["now"]
        now, batch = server.requests
        assert now.json["data"]["message"] == "now"
        assert [command["publish"]["data"]["message"] for command in batch.json["commands"]] == ["1", "2"]


@pytest.mark.django_db(transaction=True)
def test_on_commit_without_a_transaction_is_now() -> None:
    with fake_server(closed), pytest.raises(Unreachable):
        publish("c", "1", on_commit=True)


@pytest.mark.django_db(transaction=True)
def test_on_commit_never_sends_after_a_rollback() -> None:
    def fail() -> None:
        with transaction.atomic():
            publish("c", "all", on_commit=True)
            raise ZeroDivisionError

    def fail_inside() -> None:
        with transaction.atomic():
            publish("c", "inner", on_commit=True)
            raise ZeroDivisionError

    with fake_server() as server:
        with pytest.raises(ZeroDivisionError):
            fail()
        with transaction.atomic():
            publish("c", "outer", on_commit=True)
            with pytest.raises(ZeroDivisionError):
                fail_inside()
    assert [request.json["data"]["message"] for request in server.requests] == ["outer"]


@pytest.mark.django_db(transaction=True)
def test_a_failure_on_commit_is_logged_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []
    with fake_server(answer(b"", 503)), transaction.atomic():
        publish("c", "1", on_commit=True)
        publish_many([{"channel": "c", "message": "2"}], on_commit=True)
        transaction.on_commit(lambda: ran.append("after"))
    assert ran == ["after"]
    assert [record.levelno for record in caplog.records if record.name == "instant"] == [logging.ERROR]
    assert "2 of 2 messages failed" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_on_commit_looks_at_the_message_at_once() -> None:
    with transaction.atomic(), pytest.raises(InvalidMessage):
        publish("c", on_commit=True)


@pytest.mark.django_db(transaction=True)
async def test_on_commit_async() -> None:
    with fake_server() as server:
        assert await apublish("c", "1", on_commit=True) is None
        assert await apublish_many([{"channel": "c", "message": "2"}], on_commit=True) is None
    assert [request.json["data"]["message"] for request in server.requests] == ["1", "2"]


# backends


class Transactional(BaseBackend):
    """Like an outbox: what it is given belongs into the transaction."""

    name = "transactional"
    transactional = True
    taken: list[Message] = []

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        self.taken.extend(messages)
        return [Receipt(message) for message in messages]


@pytest.mark.django_db(transaction=True)
def test_a_transactional_backend_is_called_inside() -> None:
    Transactional.taken.clear()
    with override_settings(INSTANT_BROADCAST_WITH=f"{__name__}.Transactional"), transaction.atomic():
        publish("c", "1", on_commit=True)
        assert [item.message for item in Transactional.taken] == ["1"]


async def test_a_backend_without_its_own_async_half_is_called_in_a_thread() -> None:
    Transactional.taken.clear()
    with override_settings(INSTANT_BROADCAST_WITH=f"{__name__}.Transactional"):
        await apublish("c", "1")
    assert [item.message for item in Transactional.taken] == ["1"]


@pytest.mark.parametrize(
    "name", ["", "pyhton", "instant.backends.python.Nothing", "no.such.module", "os.sep", "os.getcwd", "os"]
)
def test_a_backend_that_is_none_names_the_setting(name: str) -> None:
    with override_settings(INSTANT_BROADCAST_WITH=name), pytest.raises(InvalidBackend, match="INSTANT_BROADCAST_WITH"):
        publish("c", "text")
