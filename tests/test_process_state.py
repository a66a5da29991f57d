"""A forked child, as a worker of gunicorn or Celery is: it must not read the answers to its parent's questions."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from instant import publish
from instant.backends import get_backend
from instant.centrifugo import cent_api, http
from instant.messages import Message
from instant.process_state import PerProcess, runs_threads
from instant.proxies.rate_limits import Buckets
from instant.testing import LiveServer
from tests.fakes import fake_server
from tests.waiting import PATIENCE

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
    assert http.post("history", b'{"channel": "$forks"}', PATIENCE)["result"]["offset"] == 300
    assert forked(lambda: cent_api.subscribers("$forks")) == "0"


def test_each_process_makes_its_own_and_the_parent_keeps_its_own() -> None:
    numbers = PerProcess(itertools.count)
    assert next(numbers()) == 0
    assert forked(lambda: [next(numbers()), next(numbers()), forked(lambda: next(numbers()))]) == "[0, 1, '0']"
    assert next(numbers()) == 1
    numbers.renew()
    assert next(numbers()) == 0


def test_threads_that_begin_at_once_get_the_same() -> None:
    made = PerProcess(object)
    start = threading.Barrier(8)

    def get(_: int) -> int:
        start.wait()
        return id(made())

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(get, range(8)))) == 1


def test_threads_that_begin_at_once_in_a_child_get_the_same() -> None:
    """Each of them puts away what the parents had; here there were many."""
    all_make = threading.Barrier(4)

    def make() -> object:
        all_make.wait(60)
        return object()

    made = PerProcess(make)
    made._made.update({-number: object() for number in range(1, 100_000)})

    def get(_: int) -> int:
        return id(made())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the threads take turns often
    try:
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(get, range(4)))) == 1
    finally:
        sys.setswitchinterval(interval)
    assert list(made._made) == [os.getpid()]


def test_a_lock_that_the_parent_held_is_not_the_childs() -> None:
    buckets, rate = Buckets(), (1, 60.0)
    assert buckets.take("a", rate)
    with buckets._counted().lock:
        assert forked(lambda: [buckets.take("a", rate), buckets.take("a", rate)]) == "[True, False]"
    assert not buckets.take("a", rate)


@pytest.mark.parametrize(
    ("options", "threads"),
    [
        ({"processes": b"2"}, False),
        ({"processes": b"2", "enable-threads": True}, True),
        ({b"threads": b"2"}, True),
        ({"gevent": b"5"}, True),
    ],
)
def test_whether_uwsgi_runs_threads(options: object, threads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs_threads()
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))  # type: ignore[arg-type]
    assert runs_threads() is threads
    master = SimpleNamespace(opt=options, masterpid=os.getpid)
    monkeypatch.setitem(sys.modules, "uwsgi", master)  # type: ignore[arg-type]
    assert not runs_threads()
    monkeypatch.setattr(master, "masterpid", lambda: 1)
    assert runs_threads() is threads
