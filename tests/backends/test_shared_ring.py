"""The memory that a process shares with the Go publisher; instant/go/ring_test.go has the other end."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from instant import flush, publish, publish_many
from instant.backends import made, shared_ring
from instant.backends.shared_ring import HEADER, SIZE, Ring
from tests.fakes import FakeServer, accepted, fake_server

pytestmark = pytest.mark.skipif(shared_ring.new_ring() is None, reason="this system has no such memory")


class Reader:
    """The other end, as Go has it."""

    def __init__(self, ring: Ring) -> None:
        self.memory = mmap.mmap(ring.fd, HEADER + SIZE)
        self.words = memoryview(self.memory).cast("Q")

    def take(self, count: int) -> bytes:
        tail = self.words[8]
        assert tail + count <= self.words[0]
        start = tail % SIZE
        data = self.memory[HEADER + start : HEADER + min(start + count, SIZE)]
        data += self.memory[HEADER : HEADER + count - len(data)]
        self.words[8] = tail + count
        return data

    def close(self) -> None:
        self.words.release()
        self.memory.close()


@pytest.fixture
def ring() -> Iterator[Ring]:
    made = Ring()
    yield made
    made.close_descriptor()


@pytest.fixture
def reader(ring: Ring) -> Iterator[Reader]:
    made = Reader(ring)
    yield made
    made.close()


def test_what_is_put_can_be_taken_across_the_end(ring: Ring, reader: Reader) -> None:
    step = 300_001
    for number in range(20):
        data = bytes([number]) * step
        assert ring.put(data) == step
        assert reader.take(step) == data


def test_a_full_ring_takes_a_part(ring: Ring, reader: Reader) -> None:
    assert ring.put(b"a" * (SIZE - 10)) == SIZE - 10
    assert ring.put(b"0123456789abc") == 10
    assert ring.put(b"abc") == 0
    reader.take(SIZE - 10)
    assert ring.put(b"abc") == 3
    assert reader.take(13) == b"0123456789abc"


def test_a_sleeping_reader_is_seen(ring: Ring, reader: Reader) -> None:
    assert not ring.has_sleeping_reader
    reader.words[16] = 1
    assert ring.has_sleeping_reader


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server(accepted) as running:
        yield running


def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")


def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> int:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", refuse)


def too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, length: int) -> mmap.mmap:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(shared_ring.mmap, "mmap", refuse)


@pytest.mark.parametrize("without", [None, absent, forbidden, too_large])
def test_messages_arrive_with_shared_memory_and_without(
    without: Callable[[pytest.MonkeyPatch], None] | None,
    go: Path,
    server: FakeServer,
    settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many, some that are larger than the memory, and one after a pause in which the reader has fallen asleep."""
    if without is not None:
        without(monkeypatch)
    settings.INSTANT_BROADCAST_WITH = "go"
    failed = made("go").figures().failed
    for number in range(3000):
        publish("public", str(number), timeout=30)
    large = "x" * 800_000
    publish_many([{"channel": "public", "data": large} for _ in range(4)], timeout=30)
    assert flush(30)
    connection = made("go")._own().connection
    assert (connection._ring is None) == bool(without)
    if without is None:
        while not connection._ring.has_sleeping_reader:
            pass
    publish("public", "last", timeout=30)
    assert flush(30)
    assert len({key for request in server.requests for key in request.keys}) == 3005  # some may have been tried again
    assert made("go").figures().failed == failed
