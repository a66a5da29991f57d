"""The Go publisher: the real one on both servers, and a fake one for what the real one cannot be made to do."""

from __future__ import annotations

import os
import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from pytest_django import Settings

from instant import flush, publish, publish_many
from instant.backends import BaseBackend, get_backend, go_publisher, shared_ring
from instant.backends.go_publisher import NoPublisher
from instant.backends.queueing import QueueingBackend
from instant.exceptions import Rejected, Unreachable
from instant.testing import LiveServer
from tests.fakes import FakeServer

from . import scripts
from .common import BackendContract
from .conftest import alive, listener, publishers, texts, until
from .test_python import history


@pytest.fixture
def namespaces() -> dict[str, Any]:
    return {"": {"history_size": 30_000}, "chat": {}}


@pytest.fixture
def backend(go: Path, settings: Settings) -> Iterator[QueueingBackend]:
    settings.INSTANT_BROADCAST_WITH = "go"
    backend = get_backend()
    assert isinstance(backend, QueueingBackend)
    yield backend
    flush(10)


class TestGo(BackendContract):
    name = "go"

    @pytest.fixture
    def backend(self, server: LiveServer, go: Path, settings: Settings) -> BaseBackend:
        settings.INSTANT_BROADCAST_WITH = "go"
        self.path = go
        return get_backend()

    def sent(self, channel: str) -> list[dict[str, Any]]:
        assert flush(20)
        return history(channel)

    def test_a_killed_publisher_loses_and_doubles_nothing(self, backend: BaseBackend) -> None:
        publish("public", "first", wait=True, timeout=10)
        killed = [listener(self.path)]
        for number in range(20_000):
            publish("public", str(number))
            if number in (5_000, 12_000):
                until(lambda: len(publishers(self.path.parent)) == (1 if number == 5_000 else 2))  # noqa: B023
                os.kill(listener(self.path), signal.SIGKILL)
        assert self.texts("public") == ["first", *[str(number) for number in range(20_000)]]
        assert len(publishers(self.path.parent)) == 3
        until(lambda: not Path(f"/proc/{killed[0]}").exists())  # no zombie

    def test_the_caller_writes_after_a_change_of_other_settings_too(self, backend: Any, settings: Settings) -> None:
        publish("public", "1", wait=True, timeout=10)
        settings.SITE_NAME = "Another"
        publish("public", "2", wait=True, timeout=10)
        assert backend._write_at_once(backend._own(), backend._queue())

    def test_an_outage_is_waited_out(self, backend: BaseBackend, server: LiveServer) -> None:
        publish("other", "the publisher is there", wait=True, timeout=10)
        server.stop()
        for number in range(100):
            publish("public", str(number))
        assert not flush(0.2)
        server.start()
        assert self.texts("public") == [str(number) for number in range(100)]

    def test_an_unknown_namespace_is_logged(self, backend: BaseBackend, caplog: pytest.LogCaptureFixture) -> None:
        with override_settings(INSTANT_NAMESPACES={"": {}, "chat": {}, "late": {}}):
            publish_many([{"channel": "late:b", "message": "1"}, {"channel": "chat:a", "message": "2"}])
            with pytest.raises(Rejected, match="unknown channel") as caught:
                publish("late:b", "3", wait=True, timeout=10)
        assert caught.value.code == 102
        assert self.texts("chat:a") == ["2"]
        assert "publish to 'late:b' with the go backend failed" in caplog.text

    def test_a_wrong_key_is_a_publisher_of_its_own(self, backend: BaseBackend, settings: Settings) -> None:
        settings.INSTANT_GO_SOCKET = str(self.path.parent / "other.sock")
        with (
            override_settings(CENTRIFUGO_API_KEY="wrong"),
            pytest.raises(Rejected, match="refused the API key") as caught,
        ):
            publish("public", "hi", wait=True, timeout=10)
        assert caught.value.code == 401

    def test_what_is_queued_outlives_the_process(self, backend: BaseBackend, server: LiveServer) -> None:
        publish("other", "the publisher is there", wait=True, timeout=10)
        server.stop()
        assert scripts.run("for number in range(500): publish('public', str(number))") == ""
        server.start()
        until(lambda: len(history("public")) == 500)
        assert self.texts("public") == [str(number) for number in range(500)]
        assert len(publishers(self.path.parent)) == 1  # one for both


def test_many_processes_start_one(go: Path, fake: FakeServer, backend: QueueingBackend) -> None:
    script = (
        "print('there', flush=True)\nsys.stdin.readline()\npublish('public', str(os.getpid()), wait=True, timeout=10)"
    )
    processes = [scripts.start(script) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [(process.communicate(timeout=120), process.returncode) for process in processes] == [(("", ""), 0)] * 4
    assert len(publishers(go.parent)) == 1
    assert set(texts(fake, "public")) == {str(process.pid) for process in processes}


def test_after_idle_minutes_it_ends_and_the_next_message_starts_another(
    go: Path, fake: FakeServer, backend: QueueingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go_publisher, "IDLE", 0.3)
    publish("public", "1", wait=True, timeout=10)
    (first,) = publishers(go.parent)
    until(lambda: not alive(first))
    publish("public", "2", wait=True, timeout=10)
    publish("public", "3")
    assert flush(10)
    assert texts(fake, "public") == ["1", "2", "3"]


def test_it_has_nothing_of_the_message_to_run_and_no_key_to_see(
    go: Path, fake: FakeServer, backend: QueueingBackend
) -> None:
    publish("$(touch x)", "`id`; $(reboot)", data={"a": "'\";\n"}, wait=True, timeout=10)
    (item,) = [request.json for request in fake.requests]
    assert "`id`; $(reboot)" in str(item)
    pid = listener(go)
    assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:3] == [b"-socket", os.fsencode(go)]
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert [item for item in environment if item and not item.startswith(b"SSL_CERT_")] == []
    assert os.stat(go).st_mode & 0o777 == 0o600
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.getsid(pid) == pid


def test_it_shows_its_figures_and_is_not_started_for_them(go: Path, fake: FakeServer, backend: QueueingBackend) -> None:
    assert go_publisher.figures() is None
    publish("public", "hi", wait=True, timeout=10)
    figures = go_publisher.figures()
    assert figures is not None
    assert (figures["pid"], figures["sent"], figures["queued"]) == (listener(go), 1, 0)


# another one at the socket


def test_a_publisher_with_other_settings_is_not_used(go: Path, fake: FakeServer, backend: QueueingBackend) -> None:
    publish("public", "hi", wait=True, timeout=10)
    with (
        override_settings(INSTANT_GO_RETRY_FOR=7.0),
        pytest.raises(Unreachable, match=rf"process {listener(go)}\) refused .*other settings; end it, or give"),
    ):
        publish("public", "there", wait=True, timeout=10)
    publish("public", "again", wait=True, timeout=10)


def test_each_configuration_has_its_name() -> None:
    config = go_publisher.configuration()
    names = {go_publisher.fingerprint({**config, key: "other"}) for key in config} | {go_publisher.fingerprint(config)}
    with override_settings(SECRET_KEY="other", CENTRIFUGO_API_KEY=config["api_key"]):
        names.add(go_publisher.fingerprint(config))
    assert len(names) == len(config) + 2
    assert not [name for name in names if config["api_key"] in name]


def test_the_folder_is_made_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = go_publisher.socket_path("f" * 64)
    assert path.name == "f" * 16 + ".sock"
    if path.is_relative_to(tmp_path):
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_long_path_gives_way_to_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert go_publisher.socket_path("f" * 64).parent == Path(f"/tmp/instant-{os.getuid()}")


@pytest.mark.parametrize("kind", ["link", "file", "open", "foreign"])
def test_a_folder_that_is_not_ours_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch, backend: Any, fake: Any
) -> None:
    with tempfile.TemporaryDirectory(prefix="i") as base, override_settings(INSTANT_GO_SOCKET=None):
        monkeypatch.setattr(tempfile, "tempdir", base)
        folder = Path(base, f"instant-{os.getuid()}")
        if kind == "link":
            Path(base, "real").mkdir(0o700)
            folder.symlink_to("real")
        elif kind == "file":
            folder.touch(0o600)
        else:
            folder.mkdir(0o700)
            folder.chmod(0o755 if kind == "open" else 0o700)
        if kind == "foreign":
            user = os.getuid()
            folder.rename(Path(base, f"instant-{user + 1}"))
            monkeypatch.setattr(os, "getuid", lambda: user + 1)
        with pytest.raises(Unreachable, match=r"must be a directory of user .* with mode 0700, no link") as caught:
            publish("public", "hi", wait=True, timeout=10)
    assert not caught.value.retryable


# no publisher


def test_without_a_binary_the_check_and_the_error_say_so(
    go: Path, backend: QueueingBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go_publisher, "BINARY", Path("/nowhere/publisher"))
    (found,) = backend.check()
    assert (found.id, found.is_serious()) == ("instant.E004", True)
    assert "/nowhere/publisher" in found.msg
    assert found.hint
    with pytest.raises(Unreachable, match="no publisher binary that can be run at /nowhere") as caught:
        publish("public", "hi", wait=True, timeout=10)
    assert not caught.value.retryable
    assert isinstance(caught.value.__cause__, NoPublisher)


@pytest.mark.parametrize(
    ("text", "said"), [("echo oops >&2; exit 1", "exit status 1.*oops"), ("exit 0", "reported no reason")]
)
def test_a_binary_that_does_not_start(
    text: str, said: str, tmp_path: Path, go: Path, backend: Any, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.INSTANT_GO_RETRY_FOR = 0.1
    script = tmp_path / "publisher"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    monkeypatch.setattr(go_publisher, "BINARY", script)
    with pytest.raises(Unreachable, match=f"the publisher did not start.*{said}") as caught:
        publish("public", "hi", wait=True, timeout=10)
    assert caught.value.retryable


def test_a_binary_that_says_nothing_is_ended(
    tmp_path: Path, go: Path, backend: Any, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.INSTANT_GO_RETRY_FOR = 0.1
    script = tmp_path / "publisher"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setattr(go_publisher, "BINARY", script)
    monkeypatch.setattr(go_publisher, "START_TIMEOUT", 0.5)
    with pytest.raises(Unreachable, match="the publisher did not start"):
        publish("public", "hi", wait=True, timeout=10)
    until(lambda: not alive(int((tmp_path / "pid").read_text())))


class Interrupted(Exception):
    """What a signal handler raises: Celery's soft time limit, or a timeout of the project."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # raised in a weakref's callback
@pytest.mark.parametrize("is_full", [False, True], ids=["written by the caller", "written by the thread"])
def test_a_signal_handler_may_raise_during_a_publish(
    go: Path, fake: FakeServer, backend: QueueingBackend, is_full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("public", "first", wait=True, timeout=10)
    rng, accepted, interrupted, put = random.Random(is_full), ["first"], 0, shared_ring.Ring.put
    is_armed = False

    def interrupt(number: int, frame: object) -> None:
        if is_armed:
            raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(400):
            with monkeypatch.context() as patch:
                if is_full:
                    patch.setattr(shared_ring.Ring, "put", lambda self, data: put(self, data[:100]))
                try:
                    is_armed = True
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 3e-4))
                    publish("public", f"interrupted {number}", timeout=5)
                    is_armed = False
                except Interrupted:
                    interrupted += 1
                is_armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
            publish("public", f"next {number}", timeout=10)
            accepted.append(f"next {number}")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 20
    assert flush(20)
    assert backend.figures().queued == 0
    assert [text for text in dict.fromkeys(texts(fake, "public")) if not text.startswith("interrupted")] == accepted
