"""What is queued when a process ends, in whichever way."""

from __future__ import annotations

import signal
import threading

import pytest
from django.test import override_settings

from instant import flush
from instant.backends.queueing import QueueingBackend
from instant.messages import Message
from instant.testing.live_servers import free_port
from tests.fakes import FakeServer

from . import scripts
from .conftest import Gate, texts, until

pytestmark = pytest.mark.slow


def test_an_exit_waits_for_what_is_queued(fake: FakeServer, kind: str) -> None:
    assert scripts.run("for number in range(5000): publish('public', str(number))") == ""
    assert texts(fake, "public") == [str(number) for number in range(5000)]


def test_a_child_of_multiprocessing_does_too(fake: FakeServer, kind: str) -> None:
    script = """
import multiprocessing
def work():
    for number in range(500): publish("public", str(number))
publish("public", "parent", wait=True)
import warnings
warnings.simplefilter("ignore")  # Python 3.12 warns of threads
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
assert child.exitcode == 0
"""
    assert scripts.run(script) == ""
    assert texts(fake, "public") == ["parent", *[str(number) for number in range(500)]]


@pytest.mark.parametrize("answered", [True, False])
def test_sigterm_sends_what_is_queued_and_ends_the_process(gated: FakeServer, gate: Gate, kind: str, answered) -> None:
    if answered:
        gate.opened.set()
    process = scripts.start(
        "for number in range(2000): publish('public', str(number))\nprint('queued', flush=True)\n"
        # Not one long sleep: Python runs no handler of a signal that comes just before a system call, until that ends.
        "while True: time.sleep(0.05)"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "queued\n"
    process.send_signal(signal.SIGTERM)
    gate.opened.set()
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (-signal.SIGTERM, "")
    flush(5)
    wanted = [str(number) for number in range(2000)]
    for _ in range(200):  # a publisher goes on without the process
        if texts(gated, "public") == wanted:
            break
        threading.Event().wait(0.05)
    assert texts(gated, "public") == wanted


def test_a_handler_of_sigterm_is_left_alone(fake: FakeServer, kind: str) -> None:
    script = """
signal.signal(signal.SIGTERM, lambda *args: sys.exit(3))
publish("public", "hi")
os.kill(os.getpid(), signal.SIGTERM)
while True: time.sleep(0.05)
"""
    assert scripts.run(script, status=3) == ""
    assert texts(fake, "public") == ["hi"]


def test_what_is_published_at_the_end_is_waited_for(fake: FakeServer, kind: str) -> None:
    """In a function that atexit calls after ours, whose thread is still there."""
    script = "import atexit\natexit.register(lambda: publish('public', 'last'))\npublish('public', 'first')"
    assert scripts.run(script) == ""
    assert texts(fake, "public") == ["first", "last"]


def test_where_no_thread_can_be_started_the_caller_sends(
    fake: FakeServer, queueing: QueueingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python 3.12 and later have it when the interpreter ends; the Go publisher's answers need one."""
    start = threading.Thread.start

    def start_no_more(thread: threading.Thread) -> None:
        if thread.name.startswith("instant-"):
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_no_more)
    (receipt,) = type(queueing)().send([Message("public", "last")], timeout=10)
    if queueing.name == "go":
        assert "at interpreter shutdown" in str(receipt.error)
    else:
        assert (receipt.error, texts(fake, "public")) == (None, ["last"])


def test_a_loss_at_the_end_is_logged(kind: str) -> None:
    script = "get_backend().exit_timeout = 0.3\npublish('public', 'hi', fail_silently=True)"
    if kind == "go":
        script = "go_publisher.BINARY = '/nowhere'\ngo_publisher.connect = lambda *args: time.sleep(60)\n" + script
    with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=free_port()):
        said = scripts.run(script)
    assert "the process exits; messages" in said


@pytest.mark.parametrize("kind", ["go"], indirect=True)
def test_what_publish_has_returned_of_is_the_publishers(fake: FakeServer, kind: str) -> None:
    """RQ's workers end by os._exit(), as do many others: no handler of an exit runs."""
    assert scripts.run("for number in range(10_000): publish('public', str(number), timeout=30)\nos._exit(0)") == ""
    until(lambda: len(texts(fake, "public")) == 10_000)
    assert texts(fake, "public") == [str(number) for number in range(10_000)]


@pytest.mark.parametrize("kind", ["go"], indirect=True)
def test_many_at_once_and_async_too(fake: FakeServer, kind: str) -> None:
    script = """
import asyncio, threading
from instant import apublish, publish_many
publish_many([{"channel": "many", "message": str(number)} for number in range(5000)], timeout=30)
threads = [threading.Thread(target=lambda: [publish("threads", "x", timeout=30) for _ in range(500)]) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
async def work():
    for number in range(500): await apublish("async", str(number), timeout=30)
asyncio.run(work(), debug=False)
os._exit(0)
"""
    assert scripts.run(script) == ""
    until(lambda: [len(texts(fake, name)) for name in ("many", "threads", "async")] == [5000, 2000, 500])
    assert texts(fake, "many") == [str(number) for number in range(5000)]
    assert texts(fake, "threads") == ["x"] * 2000
    assert texts(fake, "async") == [str(number) for number in range(500)]


@pytest.mark.parametrize("kind", ["go"], indirect=True)
def test_without_a_publisher_the_caller_gets_an_error(fake: FakeServer, kind: str) -> None:
    script = "go_publisher.connect = lambda *args: time.sleep(60)\nget_backend().exit_timeout = 0\n"
    script += "try: publish('public', 'hi', timeout=0.2)\nexcept Exception as error: print(error, file=sys.stderr)"
    said = scripts.run(script)
    assert "publish to 'public' with the go backend failed: the publisher did not accept it within 0.2 seconds" in said
