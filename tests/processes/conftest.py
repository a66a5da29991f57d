"""What all process models need: the environment of their site, and what of its messages has arrived."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from django.test import override_settings

from instant.backends import go_publisher
from instant.centrifugo import http
from instant.conf import conf
from instant.testing import LiveServer
from tests.backends.conftest import end, listener
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
WORKERS, MESSAGES = 3, 150
BACKENDS = ("python", "thread", "go")
ALL = os.environ.get("PROCESSES") == "all"


def cases(models: dict[str, tuple[object, str]]) -> list[tuple[str, str]]:
    return [(name, backend) for name, (_, own) in models.items() for backend in (BACKENDS if ALL else [own])]


@pytest.fixture
def environment(server: LiveServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    with override_settings(CENTRIFUGO_PORT=server.port):
        yield {
            **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "PROCESSES_PORT": str(server.port),
            "PROCESSES_KEY": conf.api_key,
            "PROCESSES_CHANNEL": f"processes{uuid.uuid4().hex[:12]}",
            "PROCESSES_SOCKET": str(tmp_path / "publisher.sock"),
        }
        with suppress(OSError):  # nobody has started it
            end(listener(tmp_path / "publisher.sock"))


def need(backend: str, *modules: str) -> None:
    if backend == "go" and not os.access(go_publisher.BINARY, os.X_OK):
        pytest.skip("no binary of the publisher for this machine")
    for module in modules:
        if importlib.util.find_spec(module) is None and not Path(sys.executable).with_name(module).exists():
            pytest.skip(f"{module}: not installed")


@contextmanager
def running(
    command: list[str], environment: dict[str, str], log: Path, **options: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command while the block runs, then end it by SIGTERM, which it must obey."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True, **options
        )  # type: ignore[call-overload]  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


def arrived(channel: str) -> Counter[str]:
    """Return how often each number but 0 is in the channel's history, once MESSAGES are there."""
    until = time.monotonic() + PATIENCE
    while True:
        body = json.dumps({"channel": channel, "limit": 300}).encode()
        found = http.post("history", body, 10)["result"].get("publications", [])
        numbers = Counter(each["data"]["message"] for each in found if each["data"]["message"] != "0")
        if numbers.total() >= MESSAGES or time.monotonic() > until:
            return numbers
        time.sleep(0.05)


def assert_each_once(environment: dict[str, str], said: str) -> None:
    """All numbers are there."""
    found = arrived(environment["PROCESSES_CHANNEL"])
    assert {number: found[number] for number in map(str, range(1, MESSAGES + 1)) if found[number] != 1} == {}, said
