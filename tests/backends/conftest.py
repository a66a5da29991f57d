"""What the tests of "thread" and "go" need: the Go publisher, built once, and a socket for each test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from instant import flush
from instant.backends import get_backend, go_publisher, made
from instant.backends.queueing import QueueingBackend
from tests.fakes import FakeServer, Request, accepted, fake_server
from tests.waiting import PATIENCE, until

SOURCE = Path(go_publisher.__file__).parents[1] / "go"


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go publisher, of the sources as they are."""
    if shutil.which("go") is None:
        if go_publisher.BINARY.exists():
            return go_publisher.BINARY
        pytest.skip("the Go publisher: no binary, and no `go` on PATH to build it")
    path = tmp_path_factory.mktemp("go") / "publisher"
    environment = {**os.environ, "CGO_ENABLED": "0"}
    built = subprocess.run(
        ["go", "build", "-o", path, "."], cwd=SOURCE, env=environment, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return path


@pytest.fixture
def go(binary: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket's path; all publishers that this test starts end with it."""
    monkeypatch.setattr(go_publisher, "BINARY", binary)
    with tempfile.TemporaryDirectory(prefix="instant-") as folder:
        settings.INSTANT_GO_SOCKET = Path(folder, "p.sock")
        yield settings.INSTANT_GO_SOCKET
        made("go").flush(15)  # what has no answer yet would start another one
        for pid in publishers(Path(folder)):
            end(pid)


def publishers(folder: Path) -> list[int]:
    """The processes that ever listened at a socket in this folder, by their logs."""
    logs = [line for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    return [int(line.split("pid ")[1].split(",")[0]) for line in logs if "start: pid " in line]


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listener(path: Path) -> int:
    """The process that listens at this socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        return go_publisher._check_peer(probe, path)


@pytest.fixture(params=["thread", "go"])
def kind(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Each backend that queues."""
    if request.param == "go":
        request.getfixturevalue("go")
    settings.INSTANT_BROADCAST_WITH = request.param
    return str(request.param)


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture
def queueing(request: pytest.FixtureRequest, kind: str) -> Iterator[QueueingBackend]:
    """The backend, and nothing left in its queue afterwards; depend on the server before it."""
    backend = get_backend()
    assert isinstance(backend, QueueingBackend)
    assert backend.flush(5)
    yield backend
    if "gate" in request.fixturenames:
        request.getfixturevalue("gate").opened.set()
    assert backend.flush(10)


class Gate:
    """A server that answers once it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, server: FakeServer, client: socket.socket, request: Request) -> bool:
        self.opened.wait(PATIENCE)
        return accepted(server, client, request)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def gated(gate: Gate) -> Iterator[FakeServer]:
    with fake_server(gate) as server:
        yield server
        gate.opened.set()
        flush(10)


def received(server: FakeServer) -> list[Any]:
    """The commands that the server was sent, in order."""
    publishes = [[c["publish"] for c in r.json.get("commands", [])] or [r.json] for r in list(server.requests)]
    return [command for commands in publishes for command in commands]


def texts(server: FakeServer, channel: str) -> list[str]:
    return [item["data"]["message"] for item in received(server) if item["channel"] == channel]
