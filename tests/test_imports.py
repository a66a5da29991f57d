"""Nothing that takes long is imported in the request that first publishes, revokes or shows a page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.conftest import binary, go  # noqa: F401 - fixtures
from tests.fakes import FakeServer, accepted, answer, fake_server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PROGRAM = """
import asyncio, json, os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
from django.conf import settings
settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", int(sys.argv[1])
settings.DATABASES["default"]["NAME"] = ":memory:"
settings.INSTANT_BROADCAST_WITH = sys.argv[3]
if sys.argv[4:]:
    settings.INSTANT_GO_SOCKET = sys.argv[4]
if os.environ.get("START") == "asgi":  # as in the asgi.py of a project
    from django.core.asgi import get_asgi_application
    get_asgi_application()
else:
    django.setup()
if sys.argv[5:]:
    sys.modules["instant.backends.go_publisher"].BINARY = sys.argv[5]
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.template import engines
from instant import apublish, publish
from instant.models import Channel
call_command("migrate", verbosity=0)
user = User.objects.create(username="ann", is_staff=True)
request = RequestFactory().get("/")
request.user = user
engines["django"].from_string("{{ user }}").render({}, request)

def page():
    engines["django"].from_string('{% include "instant/client.html" %}').render({}, request)

def revoke():
    user.is_staff = False
    user.save()

work = {
    "publish": lambda: publish("public", "x", timeout=10),
    "apublish": lambda: async_to_sync(apublish)("public", "x", timeout=10),
    "page": page,
    "revoke": revoke,
}[sys.argv[2]]
before = set(sys.modules)
work()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


BACKENDS = ["python", "thread", "go", "outbox", "memory"]


@pytest.fixture
def go_arguments(request: pytest.FixtureRequest, backend: str) -> list[str]:
    """The socket of the publisher, and its binary."""
    return [str(request.getfixturevalue(name)) for name in ("go", "binary")] if backend == "go" else []


def imported(server: FakeServer, work: str, backend: str, go_arguments: list[str], start: str = "") -> list[str]:
    """Return the modules that this work imported, except those of Python and of the tests."""
    command = [sys.executable, "-c", PROGRAM, str(server.port), work, backend, *go_arguments]
    environment = {**os.environ, "START": start}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return [name for name in found if name.partition(".")[0] not in {*sys.stdlib_module_names, "tests"}]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_publish(backend: str, go_arguments: list[str]) -> None:
    with fake_server(accepted) as server:
        assert imported(server, "publish", backend, go_arguments) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_apublish_of_an_asgi_process(backend: str, go_arguments: list[str]) -> None:
    with fake_server(accepted) as server:
        assert imported(server, "apublish", backend, go_arguments, start="asgi") == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_apublish_of_another_process(backend: str, go_arguments: list[str]) -> None:
    """Only "python" imports aiohttp. Other processes, such as those of WSGI, do not pay for it when they start."""
    with fake_server(accepted) as server:
        new = imported(server, "apublish", backend, go_arguments)
    assert ("aiohttp" in new) == (backend == "python")
    assert not [name for name in new if backend != "python" or name.startswith(("django.", "instant."))]


@pytest.mark.parametrize("start", ["", "asgi"])
@pytest.mark.parametrize("backend", ["python", "go", "outbox"])
@pytest.mark.parametrize("work", ["revoke", "page"])
def test_the_first_revocation_and_the_first_page(work: str, backend: str, start: str, go_arguments: list[str]) -> None:
    empty = {"replies": [{"channels": {"channels": {}}}], "result": {}}
    with fake_server(answer(empty)) as server:
        new = imported(server, work, backend, go_arguments, start)
    assert [name for name in new if not name.startswith(("django.", "instant."))] == []


def test_the_first_apublish_does_not_pay_out_of_its_own_time() -> None:
    """With a timeout that the import of aiohttp alone would use up."""
    program = PROGRAM.partition("work =")[0] + (
        "class Slow:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'aiohttp': time.sleep(6)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "asyncio.run(apublish('public', 'x', timeout=5))\n"
        "print('sent')\n"
    )
    with fake_server(accepted) as server:
        command = [sys.executable, "-c", program, str(server.port), "", "python"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "sent\n", done.stderr
