"""A site's suite of TransactionTestCases on PostgreSQL ends well: nothing of ours keeps a connection to its database.

Django's own runner drops the database without FORCE, and so fails with "database is being accessed by other users".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from tests.backends.conftest import binary, end, publishers  # noqa: F401 - a fixture
from tests.postgres import Cluster

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SETTINGS = """
import json, os
SECRET_KEY = "suite-tests-only-secret-key-of-more-than-fifty-characters-0123456789"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
    "instant",
]
DATABASES = {"default": json.loads(os.environ["SUITE_DATABASE"])}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "instant.urls"
INSTANT_BROADCAST_WITH = os.environ["SUITE_BACKEND"]
INSTANT_CHANNEL_TOKEN_TTL = 60
"""
SUITE = '''
import os, threading, time
from contextlib import nullcontext
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import TransactionTestCase
from instant import apublish, flush, publish
from instant.backends import go_publisher
from instant.models import Channel, OutboxEntry, Revocation
from instant.outbox import relaying
from instant.revocation import repeating
from instant.sockets import EVERYONE, WebSocketHandler
from instant.testing import SocketCommunicator, live_server

if os.environ.get("SUITE_BINARY"):
    go_publisher.BINARY = os.environ["SUITE_BINARY"]

repeated = []
slow, working = threading.Event(), threading.Event()


def slowly():
    """Repeat as always. It may take longer than the 5 seconds for which PostgreSQL waits for open connections."""
    try:
        Revocation.objects.count()
        if slow.is_set():
            working.set()
            time.sleep(float(os.environ["SUITE_PAUSE"]))
        return repeat_due()
    finally:
        repeated.append(threading.current_thread().name)


repeat_due, repeating.repeat_due = repeating.repeat_due, slowly


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("instant-")]


def others():
    """Return the number of connections to this database besides that of the test."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


class Counting(WebSocketHandler):
    permission = EVERYONE

    def on_message(self, message):
        publish("$staff", message)
        self.send(User.objects.count())


class Suite(TransactionTestCase):
    def setUp(self):
        Channel.objects.create(name="$staff", level="staff")
        self.ann = User.objects.create_user("ann", is_staff=True)

    def revoke(self):
        self.ann.is_staff = not self.ann.is_staff
        self.ann.save()

    def publish(self):
        with transaction.atomic():
            publish("$staff", "on commit", on_commit=True, timeout=30)
        publish("$staff", "waited for", wait=True, timeout=30)
        publish("$staff", "at once", timeout=30)

    def test_1_without_a_server(self):
        settings.CENTRIFUGO_PORT = 9
        with transaction.atomic():
            self.revoke()
        self.assertTrue(Revocation.objects.exists())
        self.assertNotIn("instant-revocations", threads())

    def test_2_with_a_server(self):
        with live_server():
            with relaying() if settings.INSTANT_BROADCAST_WITH == "outbox" else nullcontext():
                self.publish()
                self.assertTrue(flush(30))
                until(lambda: not OutboxEntry.objects.exists())
            until(lambda: others() == 0)
            self.revoke()
            until(lambda: len(repeated) > 1)
            self.assertEqual(set(repeated), {"instant-revocations"})
            until(lambda: others() == 0)  # the thread waits for its next time, without a connection
            self.assertIn("instant-revocations", threads())
        self.assertNotIn("instant-revocations", threads())

    async def test_3_async(self):
        with live_server():
            await apublish("$staff", "on commit", on_commit=True, timeout=30)
            await apublish("$staff", "at once", timeout=30)
            await sync_to_async(self.publish)()
            async with SocketCommunicator(Counting, self.ann) as socket:
                await socket.open("hi")
                self.assertEqual(await socket.receive(30), 1)

    def test_4_the_last_one_ends_while_the_thread_works(self):
        with live_server():
            self.publish()
            self.revoke()
            slow.set()
            until(working.is_set)
'''


@pytest.mark.parametrize("backend", ["thread", "go", "outbox", "python"])
def test_the_database_of_a_suite_can_be_dropped(
    backend: str, cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    name = f"site_{uuid.uuid4().hex}"
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite/__init__.py").touch()
    (tmp_path / "suite/tests.py").write_text(SUITE)
    keys = ("ENGINE", "NAME", "HOST", "PORT", "USER", "PASSWORD")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "DJANGO_SETTINGS_MODULE": "settings",
        "SUITE_BACKEND": backend,
        "SUITE_PAUSE": "7" if backend == "thread" else "0.5",
        "SUITE_DATABASE": json.dumps({key: cluster.settings(name)[key] for key in keys}),
    }
    if backend == "go":
        environment["SUITE_BINARY"] = str(request.getfixturevalue("binary"))
    command = [sys.executable, "-m", "django", "test", "--noinput", "suite"]
    with tempfile.TemporaryDirectory(prefix="instant-") as folder:  # a short path for the publishers' sockets
        environment["TMPDIR"] = folder
        try:
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
            left = databases(cluster, name)
        finally:
            for pid in publishers(Path(folder, f"instant-{os.getuid()}")):
                end(pid)
            for each in databases(cluster, name):
                cluster.drop(each)
    output = done.stdout + done.stderr
    assert "being accessed by other users" not in output, output
    assert done.returncode == 0, output
    assert "Ran 4 tests" in output, output
    assert left == []


def databases(cluster: Cluster, name: str) -> list[str]:
    with cluster.connect("postgres") as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"%{name}"]).fetchall()
    return [row[0] for row in rows]
