"""Nothing that takes long is imported in the request that first publishes, revokes or shows a page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
django.setup()
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

work = {"publish": lambda: publish("public", "x", timeout=10), "page": page, "revoke": revoke}[sys.argv[2]]
before = set(sys.modules)
work()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported(server: FakeServer, work: str, backend: str = "python") -> list[str]:
    command = [sys.executable, "-c", PROGRAM, str(server.port), work, backend]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return [name for name in found if name.partition(".")[0] not in {*sys.stdlib_module_names, "tests"}]


@pytest.mark.parametrize("backend", ["python", "thread", "memory"])
def test_the_first_publish(backend: str) -> None:
    with fake_server(accepted) as server:
        new = imported(server, "publish", backend)
    assert new == []


@pytest.mark.parametrize("work", ["revoke", "page"])
def test_the_first_revocation_and_the_first_page(work: str) -> None:
    empty = {"replies": [{"channels": {"channels": {}}}], "result": {}}
    with fake_server(answer(empty)) as server:
        new = imported(server, work)
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
