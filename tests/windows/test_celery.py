"""Calls through a real Celery worker with Redis; what one that is killed had taken is done nevertheless."""

from __future__ import annotations

import os
import shutil
import signal as signals
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from instant.exceptions import NotQueued
from instant.windows import SERVER, WINDOW, WindowInfo, everyone, is_authenticated, signal, trigger
from instant.windows.dispatch import Queued, call
from instant.windows.queued_calls import Call, Delay
from instant.windows.topics import channel_of
from tests.benchmarks import redis
from tests.celery_apps import project
from tests.fakes import FakeServer, fake_server
from tests.postgres import migrated_file, sqlite  # noqa: F401 - fixtures
from tests.waiting import PATIENCE, until

celery = pytest.importorskip("celery", reason="Celery is not installed")
from instant.windows import celery as celery_task  # noqa: E402 - where Celery is
from instant.windows.celery import has_broker  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="Redis: no redis-server (apt-get install redis)"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with redis.running() as address:
        yield address


class Worker:
    """A worker of the queues slow, fast and celery: a parent, and one child that does the work."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment, self.log = environment, log
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "tests.windows.worker.celery_app", "worker"]
        command += ["-Q", "slow,fast,celery", "-c", "1", "-l", "info", "--without-gossip", "--without-mingle"]
        ready = self.log.read_text().count("ready.") if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=output, stderr=output)
        until(lambda: self.log.read_text().count("ready.") > ready, self.log.read_text)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        yield running


@pytest.fixture
def worker(broker: str, server: FakeServer, sqlite: str, tmp_path: Path) -> Iterator[Worker]:  # noqa: F811
    from django.db import connections

    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.windows.worker.settings",
        "WORKER_BROKER": broker,
        "WORKER_DATABASE": str(connections[sqlite].settings_dict["NAME"]),
        "WORKER_PORT": str(server.port),
        "PYTHONPATH": str(ROOT),
    }
    running = Worker(environment, tmp_path / "worker.log")
    with ExitStack() as stack:
        stack.enter_context(project(broker))
        running.start()
        stack.callback(lambda: running.stop())
        yield running


@pytest.fixture(autouse=True)
def connected() -> None:
    """The web's side of tests/windows/worker/windows.py."""
    signal("worker.note", everyone, queue="slow")(lambda window_info, **kwargs: None)
    signal("worker.note", everyone, queue="fast")(lambda window_info, **kwargs: None)
    signal("worker.answer", is_authenticated, queue="slow")(lambda window_info: None)
    signal("worker.deadly", everyone, queue="slow")(lambda window_info, path: None)
    signal("worker.long", everyone, queue="slow")(lambda window_info, path: None)


def test_calls_go_through_the_queues(worker: Worker, server: FakeServer, tmp_path: Path) -> None:
    user, path = User.objects.create_user("ann"), tmp_path / "notes"
    info = WindowInfo(window_key="w", user_id=str(user.pk), username="ann")

    trigger(info, "worker.note", to=SERVER, path=str(path), day=date(2026, 11, 21))
    until(lambda: len(lines(path)) == 2, worker.log.read_text)
    assert sorted(lines(path)) == ["fast", "slow ann True 2026"]

    assert call("worker.answer", {}, info) == Queued()
    until(lambda: server.requests, worker.log.read_text)
    assert server.requests[0].json["channel"] == channel_of(WINDOW, info)
    assert server.requests[0].json["data"]["data"] == {"name": "worker.answered", "opts": {"by": "ann"}}

    trigger(info, "later", to=[WINDOW], countdown=0.5, n=1)
    trigger(info, "later", to=[WINDOW], eta=datetime.now(timezone.utc) + timedelta(seconds=1), n=2)
    until(lambda: len(server.requests) == 3, worker.log.read_text)
    assert [request.json["data"]["data"]["opts"]["n"] for request in server.requests[1:]] == [1, 2]

    User.objects.update(is_active=False)
    trigger(info, "worker.note", to=SERVER, path=str(path))
    until(lambda: len(lines(path)) == 4, worker.log.read_text)
    assert "slow ann False None" in lines(path), "the server's own calls go on, for a visitor"


def test_a_deactivated_users_call_is_refused(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was in the queue when that happened."""
    user, path = User.objects.create_user("ann"), tmp_path / "notes"
    info = WindowInfo(window_key="w", user_id=str(user.pk), username="ann")
    worker.stop()
    assert call("worker.note", {"path": str(path)}, info) == Queued()
    User.objects.update(is_active=False)
    worker.start()
    until(lambda: worker.log.read_text().count("was deleted or is not active") == 2, worker.log.read_text)
    assert lines(path) == []


def kill(line: str, which: int) -> None:
    os.kill(int(line.split()[which]), signals.SIGKILL)


def test_a_call_whose_workers_child_is_killed_is_done(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    trigger(None, "worker.long", to=SERVER, path=str(path))
    until(lambda: lines(path), worker.log.read_text)
    kill(lines(path)[0], 1)
    until(lambda: "done" in lines(path), worker.log.read_text)
    assert len(lines(path)) == 3


def test_a_call_whose_worker_is_killed_is_done(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    trigger(None, "worker.long", to=SERVER, path=str(path))
    until(lambda: lines(path), worker.log.read_text)
    worker.process.kill()
    kill(lines(path)[0], 1)
    worker.process.wait()
    time.sleep(2.5)  # the visibility timeout: a worker looks for what is overdue at its start, and every 100 seconds
    worker.start()
    until(lambda: "done" in lines(path), worker.log.read_text)


def test_a_call_that_kills_its_workers_is_given_up(worker: Worker, tmp_path: Path) -> None:
    deadly, path = tmp_path / "deadly", tmp_path / "notes"
    trigger(None, "worker.deadly", to=SERVER, path=str(deadly))
    until(lambda: "3 workers died after they received it" in worker.log.read_text(), worker.log.read_text)
    trigger(None, "worker.note", to=SERVER, path=str(path))
    until(lambda: len(lines(path)) == 2, worker.log.read_text)
    time.sleep(2.5)  # the visibility timeout
    assert lines(deadly) == ["began"] * 3


def test_the_app_of_a_test_is_gone_with_it() -> None:
    before = has_broker()  # Celery's default app reads the environment, and other tests may have set another app
    with project("redis://127.0.0.1:9"):
        assert has_broker()
    assert has_broker() == before


def test_a_broker_that_is_away(settings: Settings) -> None:
    with project("redis://127.0.0.1:9"):
        began = time.monotonic()
        with pytest.raises(NotQueued, match="could not be queued in Celery"):
            trigger(None, "worker.long", to=SERVER, path="x")
        assert time.monotonic() - began < 10


def test_other_errors_of_the_transport_are_reported_as_not_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """kombu's Redis transport has raised this after a connection broke while it was opened."""

    def broken(*args: object, **options: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'client'")

    monkeypatch.setattr(celery_task.call, "apply_async", broken)
    with pytest.raises(NotQueued, match=r"the call of the signal 'far.off' could not be queued in Celery: 'NoneType'"):
        celery_task.send(Call("far.off", {}, {}), None, Delay())
