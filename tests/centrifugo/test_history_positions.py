"""Positions of channels: one request, soon, and never the ruin of a page."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from instant import publish
from instant.centrifugo import history_positions as module
from instant.centrifugo.history_positions import Position, apositions, positions
from instant.testing import LiveServer
from tests.fakes import FakeServer, Request, answer, closed, fake_server, half, silent
from tests.live_pages import asked, histories

LIMIT = module.TIMEOUT
Ask = Callable[[list[str]], dict[str, Position]]


@pytest.fixture
def as_in_a_site(monkeypatch: pytest.MonkeyPatch, patient_pages: None) -> None:
    """The limit that pages have."""
    monkeypatch.setattr(module, "TIMEOUT", LIMIT)


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    if request.param == "sync":
        return positions
    return lambda names: asyncio.run(apositions(names))


def test_all_in_one_request(ask: Ask) -> None:
    with fake_server(histories({"$a": 3, "b": 0})) as server:
        assert ask(["$a", "b", "$a"]) == {"$a": Position(3, "e"), "b": Position(0, "e")}
    (request,) = server.requests
    assert request.path.endswith("/api/batch")
    assert asked(request) == ["$a", "b"]


def test_nothing_is_asked_for_nothing(ask: Ask) -> None:
    with fake_server(histories()) as server:
        assert ask([]) == {}
    assert server.requests == []


def test_a_thousand_in_each_request(ask: Ask) -> None:
    with fake_server(histories()) as server:
        assert len(ask([f"c{number}" for number in range(2_001)])) == 2_001
    assert sorted(len(asked(request)) for request in server.requests) == [1, 1000, 1000]  # the async ones overlap


def test_channels_with_an_error_are_left_out(ask: Ask) -> None:
    with fake_server(histories({"gone:a": -102, "b": -108, "c": 7})):
        assert ask(["gone:a", "b", "c"]) == {"c": Position(7, "e")}


@pytest.mark.parametrize("reply", [{}, {"history": None}, {"history": {}}, {"history": {"epoch": ""}}, {"other": {}}])
def test_replies_without_a_position(ask: Ask, reply: Any) -> None:
    with fake_server(answer({"replies": [reply]})):
        assert ask(["a", "b"]) == {}


@pytest.mark.parametrize(
    "failure", [silent, closed, half, answer({}, 401), answer(b"<html>"), answer({"error": {"code": 100}})]
)
def test_a_failure_ends_soon_and_is_remembered(
    ask: Ask, failure: Any, caplog: pytest.LogCaptureFixture, as_in_a_site: None
) -> None:
    with fake_server(failure) as server:
        assert ask(["a"]) == {}  # ends, although some of these servers never do
        for _ in range(20):
            assert ask(["a"]) == {}
    assert len(server.requests) < 5  # with what is tried again; the server may be late to count
    assert [record.levelname for record in caplog.records if record.name == "instant"] == ["WARNING"]


def test_200_ms_are_for_all_requests(ask: Ask, as_in_a_site: None) -> None:
    assert LIMIT == 0.2

    def slow(server: FakeServer, client: socket.socket, request: Request) -> bool:
        time.sleep(0.12)
        return histories()(server, client, request)

    with fake_server(slow):
        assert ask([f"c{number}" for number in range(3_000)]) == {}


def test_it_is_asked_again_later(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.05)
    with fake_server(answer({}, 500), answer({}, 500), answer({}, 500), histories()):
        assert ask(["a"]) == {}
        time.sleep(0.1)
        while not (found := ask(["a"])):
            time.sleep(0.06)
        assert set(found) == {"a"}


def test_of_a_real_server(server: LiveServer, ask: Ask) -> None:
    untouched = ask(["$fresh", "chat:a"])
    assert {name: position.offset for name, position in untouched.items()} == {"$fresh": 0, "chat:a": 0}
    assert ask(["$fresh"])["$fresh"] == untouched["$fresh"]
    publish("$fresh", "one")
    publish("$fresh", "two")
    assert ask(["$fresh", "nope:x"]) == {"$fresh": Position(2, untouched["$fresh"].epoch)}
