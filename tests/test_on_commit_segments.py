"""What gathers in a transaction leaves once, in order, and only if it was committed."""

from __future__ import annotations

import random

import pytest
from django.db import connection, transaction
from django.test import TestCase
from hypothesis import given, settings, strategies

from instant import publish, publish_many
from instant.messages import Message
from instant.testing import capture_published
from tests.fakes import fake_server


class Undo(Exception):
    pass


def texts(server) -> list[list[str]]:
    """The messages of each request."""
    return [
        [command["publish"]["data"]["message"] for command in request.json["commands"]]
        if "commands" in request.json
        else [request.json["data"]["message"]]
        for request in server.requests
    ]


@pytest.mark.django_db(transaction=True)
def test_one_transaction_is_one_request() -> None:
    with fake_server() as server:
        with transaction.atomic():
            for number in range(500):
                publish("c", str(number), on_commit=True)
            publish_many([{"channel": "c", "message": "many"}] * 2, on_commit=True)
            assert server.requests == []
        assert texts(server) == [[*map(str, range(500)), "many", "many"]]


@pytest.mark.django_db(transaction=True)
def test_savepoints_that_end_well_gather_too() -> None:
    with fake_server() as server:
        with transaction.atomic():
            for number in range(500):
                with transaction.atomic():
                    publish("c", str(number), on_commit=True)
            publish("c", "last", on_commit=True)
        assert texts(server) == [[*map(str, range(500)), "last"]]


@pytest.mark.django_db(transaction=True)
def test_a_savepoint_rolled_back_takes_its_own_with_it() -> None:
    with fake_server() as server:
        with transaction.atomic():
            publish("c", "1", on_commit=True)
            with pytest.raises(Undo), transaction.atomic():
                publish("c", "undone", on_commit=True)
                with transaction.atomic():
                    publish("c", "undone too", on_commit=True)
                raise Undo
            publish("c", "2", on_commit=True)
            with transaction.atomic():
                publish("c", "3", on_commit=True)
                with pytest.raises(Undo), transaction.atomic():
                    publish("c", "undone", on_commit=True)
                    raise Undo
            publish("c", "4", on_commit=True)
        assert texts(server) == [["1", "2", "3", "4"]]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_rolled_back_leaves_nothing_for_the_next() -> None:
    with fake_server() as server:
        with pytest.raises(Undo), transaction.atomic():
            publish("c", "undone", on_commit=True)
            raise Undo
        with transaction.atomic():
            publish("c", "1", on_commit=True)
        with transaction.atomic():
            publish("c", "2", on_commit=True)
        assert texts(server) == [["1"], ["2"]]


@pytest.mark.django_db(transaction=True)
def test_a_time_limit_of_its_own_goes_alone() -> None:
    with fake_server() as server:
        with transaction.atomic():
            publish("c", "1", on_commit=True)
            publish("c", "2", on_commit=True, timeout=1)
            publish("c", "3", on_commit=True, timeout=1)
            publish("c", "4", on_commit=True)
        assert texts(server) == [["1"], ["2", "3"], ["4"]]


@pytest.mark.django_db(transaction=True)
def test_other_work_on_commit_does_not_part_them() -> None:
    with fake_server() as server:
        with transaction.atomic():
            publish("c", "1", on_commit=True)
            transaction.on_commit(lambda: None)
            publish("c", "2", on_commit=True)
            with transaction.atomic():
                transaction.on_commit(lambda: None)
                publish("c", "3", on_commit=True)
            publish("c", "4", on_commit=True)
        assert texts(server) == [["1", "2", "3", "4"]]


Steps = strategies.recursive(
    strategies.just("publish"),
    lambda steps: strategies.tuples(strategies.sampled_from(["commit", "undo"]), strategies.lists(steps, max_size=4)),
    max_leaves=12,
)


@pytest.mark.django_db(transaction=True)
@settings(deadline=None, max_examples=150)
@given(strategies.lists(Steps, max_size=6), strategies.integers())
def test_what_was_committed_leaves_in_order(steps: list, seed: int) -> None:
    """Any nesting of savepoints, kept or undone: exactly what was kept leaves, in the order of its publishing."""
    names = (str(number) for number in range(10_000))
    chance = random.Random(seed)

    def run(steps: list) -> list[str]:
        kept: list[str] = []
        for step in steps:
            if step == "publish":
                name = next(names)
                publish("c", name, on_commit=True)
                kept.append(name)
                continue
            outcome, inner = step
            try:
                with transaction.atomic(savepoint=outcome == "undo" or chance.random() < 0.7):
                    inside = run(inner)
                    if outcome == "undo":
                        raise Undo
                kept += inside
            except Undo:
                pass
        return kept

    with fake_server() as server:
        with transaction.atomic():
            kept = run(steps)
        assert [text for request in texts(server) for text in request] == kept
        assert len(server.requests) <= 1 + depth(steps)


def depth(steps: list) -> int:
    return max((1 + depth(step[1]) for step in steps if step != "publish"), default=0)


class TestInDjangosTestCase(TestCase):
    """Work that was run stays registered there, and may be run again."""

    def test_work_that_has_run_takes_no_more(self) -> None:
        with fake_server() as server:
            for text in ("1", "2"):
                with self.captureOnCommitCallbacks(execute=True):
                    publish("c", text, on_commit=True)
            assert texts(server) == [["1"], ["2"]]

    def test_work_runs_once(self) -> None:
        with fake_server() as server:
            with self.captureOnCommitCallbacks(execute=True):
                with self.captureOnCommitCallbacks(execute=True):
                    publish("c", "1", on_commit=True)
                publish("c", "2", on_commit=True)
            assert texts(server) == [["1"], ["2"]]

    def test_a_capture_sees_each_at_once(self) -> None:
        with capture_published() as published:
            publish("c", "1", on_commit=True)
            assert [message.message for message in published] == ["1"]
            publish("c", "2", on_commit=True)
            assert [message.message for message in published] == ["1", "2"]
        assert connection.in_atomic_block


def test_one_message_for_many_channels_is_one_broadcast() -> None:
    with fake_server() as server:
        server.answers = [lambda server, client, request: _answer_broadcast(server, client, request)]
        publish_many([{"channels": ["a", "b", "a", "$c"], "message": "hi"}])
    (request,) = server.requests
    assert request.path == "/api/broadcast"
    assert request.json["channels"] == ["a", "b", "$c"]
    assert request.json["data"]["uid"] == request.json["idempotency_key"]


def _answer_broadcast(server, client, request) -> bool:
    from tests.fakes import answer

    responses = [{"result": {"offset": 1, "epoch": "e"}} for _ in request.json["channels"]]
    return answer({"result": {"responses": responses}})(server, client, request)


def test_a_message_for_another_channel_is_the_same_message() -> None:
    first = Message("a", "hi", {"n": 1})
    second = first.to("$b")
    assert (second.channel, second.uid, second.payload) == ("$b", first.uid, first.payload)
    assert first.channel == "a"
