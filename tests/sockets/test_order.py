from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant.sockets import close_codes, connection, envelopes, message_order
from instant.sockets.message_order import Gap, Order


@given(st.permutations(range(50)))
def test_any_order_is_put_right(numbers: list[int]) -> None:
    taken = Order()
    assert [message for number in numbers for message in taken.take(number, number)] == list(range(50))
    assert not taken.is_waiting


@given(st.lists(st.integers(0, 9)))
def test_what_comes_twice_is_taken_once(numbers: list[int]) -> None:
    taken = Order()
    got = [message for number in numbers for message in taken.take(number, number)]
    assert got == list(range(len(got)))
    assert set(range(len(got))) <= set(numbers)


def test_inversions_like_the_servers() -> None:
    numbers = sorted(range(3000), key=lambda number: number + random.randint(0, 200))
    taken = Order()
    assert [message for number in numbers for message in taken.take(number, number)] == list(range(3000))


def test_a_thousand_wait_and_no_more() -> None:
    taken = Order()
    for number in range(1, message_order.WINDOW + 1):
        assert taken.take(number, number) == []
    with pytest.raises(Gap):
        taken.take(message_order.WINDOW + 1, "one more")


class FakeSocket:
    def __init__(self) -> None:
        self.got: list[Any] = []
        self.ended: close_codes.Closing | None = None

    def receive(self, message: Any, size: int) -> None:
        self.got.append(message)

    def end(self, closing: close_codes.Closing) -> None:
        self.ended = self.ended or closing


def envelope(number: Any, message: Any = "m") -> bytes:
    return envelopes.encode({"n": number, "m": message})


class FakeLoop:
    """A clock that is set by hand, with at most one alarm."""

    def __init__(self) -> None:
        self.now = self.due = 0.0
        self.call: Any = None

    def call_later(self, delay: float, *call: Any) -> FakeLoop:
        assert self.call is None
        self.due, self.call = self.now + delay, call
        return self

    def cancel(self) -> None:
        self.call = None

    def passes(self, seconds: float) -> None:
        self.now += seconds
        if self.call and self.now >= self.due:
            function, *arguments = self.call
            self.call = None
            function(*arguments)


@pytest.fixture
async def fed() -> tuple[connection.Feed, Any, FakeLoop]:
    socket: Any = FakeSocket()
    feed, clock = connection.Feed(socket), FakeLoop()
    feed._loop = clock  # type: ignore[assignment]
    return feed, socket, clock


async def test_a_gap_ends_the_socket(fed: tuple[connection.Feed, Any, FakeLoop]) -> None:
    feed, socket, clock = fed
    feed.take(envelope(1))
    clock.passes(4)
    feed.take(envelope(0))  # in time
    clock.passes(4)
    feed.take(envelope(3))
    clock.passes(4)
    assert socket.ended is None
    clock.passes(1)
    assert (socket.got, socket.ended) == (["m", "m"], close_codes.GAP)


async def test_another_gap_has_its_own_time(fed: tuple[connection.Feed, Any, FakeLoop]) -> None:
    feed, socket, clock = fed
    feed.take(envelope(2))
    for number in (1, 0, 4, 6, 3, 8, 5, 7, 10, 9):  # something always waits, and something always comes
        clock.passes(1.2)
        feed.take(envelope(number))
    assert socket.ended is None
    feed.take(envelope(12))
    feed.stop()
    clock.passes(10)
    assert socket.ended is None


@pytest.mark.parametrize(
    "content",
    [
        b"1", b"{}", b"[", b'{"n":0}', b'{"m":1}', b'{"n":"0","m":1}', b'{"n":-1,"m":1}', b'{"n":true,"m":1}', b"\xff",
        b'{"n":1.5,"m":1}', b"[" * 100_000,
    ],
)  # fmt: skip
async def test_what_is_no_envelope_ends_the_socket(content: bytes) -> None:
    socket: Any = FakeSocket()
    connection.Feed(socket).take(content)
    assert (socket.got, socket.ended) == ([], close_codes.BAD_MESSAGE)


def test_what_waits_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_order, "MOST_BYTES", 100)
    taken = Order()
    for number in (1, 2):
        assert taken.take(number, number, 50) == []
    assert taken.take(0, 0, 1_000) == [0, 1, 2]  # one whose turn it is does not wait
    for number in (4, 5):
        assert taken.take(number, number, 50) == []
    with pytest.raises(Gap):
        taken.take(6, 6, 1)
