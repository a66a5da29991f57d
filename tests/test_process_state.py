"""A forked child, as a worker of gunicorn or Celery is: it must not read the answers to its parent's questions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import pytest

from instant import publish
from instant.backends import get_backend
from instant.centrifugo import cent_api, http
from instant.messages import Message
from instant.process_state import reset_in_child
from instant.testing import LiveServer
from tests.fakes import fake_server

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")


def forked(work: Callable[[], object], meanwhile: Callable[[], object] = lambda: None) -> str:
    """Run `work` in a forked child and `meanwhile` here, at once; return what the child says of its result."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads, which our fakes have
        child = os.fork()
    if child == 0:
        try:
            said = repr(work())
        except BaseException as error:
            said = f"failed: {error!r}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    try:
        meanwhile()
        with os.fdopen(reader, "rb") as answers:
            return answers.read().decode()
    finally:
        os.waitpid(child, 0)


def mixed_up(count: int) -> list[str]:
    """Publish, and return the uids whose answer was that to another one; the fake's `epoch` is the key."""
    receipts = [get_backend().send([Message("public", "x")], 10)[0] for _ in range(count)]
    return [receipt.message.uid for receipt in receipts if receipt.epoch != receipt.message.uid]


def test_parent_and_child_get_their_own_answers() -> None:
    with fake_server() as server:
        assert mixed_up(1) == []  # the connection is open before the fork
        here: list[str] = []
        assert forked(lambda: mixed_up(300), lambda: here.extend(mixed_up(300))) == "[]"
        assert here == []
    assert len(server.requests) == 601
    assert len({request.connection for request in server.requests}) == 2


def test_the_parents_connection_survives_the_childs_end() -> None:
    with fake_server() as server:
        mixed_up(1)
        forked(lambda: mixed_up(1))
        assert mixed_up(1) == []
    assert [request.connection for request in server.requests] == [0, 1, 0]


def test_parent_and_child_on_a_real_server(server: LiveServer) -> None:
    def work() -> None:
        for number in range(100):
            publish("$forks", str(number), timeout=10)

    cent_api.subscribers("$forks")
    work()
    assert forked(work, work) == "None"
    assert http.post("history", b'{"channel": "$forks"}')["result"]["offset"] == 300
    assert forked(lambda: cent_api.subscribers("$forks")) == "0"


def test_what_is_told_to_forget_does_so_in_the_child_alone() -> None:
    kept = ["something"]
    reset_in_child(kept.clear)
    assert forked(lambda: kept) == "[]"
    assert kept == ["something"]
