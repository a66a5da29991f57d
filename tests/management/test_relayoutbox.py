"""manage.py relayoutbox, and the relay of runws, as processes of their own: on both servers, several, and killed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from instant import outbox, publish, publish_many
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo import http
from instant.models import OutboxEntry, OutboxLease
from instant.testing import LiveServer
from instant.testing.live_servers import free_port, wait_until_listening
from tests.clients import SyncClient
from tests.conftest import need_server
from tests.fakes import Answer, accepted, fake_server
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SITE = """
from tests.settings import *

DATABASES = {"default": DATABASES["default"] | %r}
CENTRIFUGO_HOST, CENTRIFUGO_PORT = %r, %r
INSTANT_BROADCAST_WITH = "outbox"
DEBUG = %r
"""


@pytest.fixture(autouse=True)
def backend(settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"


@pytest.fixture
def namespaces() -> dict[str, Any]:
    return {"": {"history_size": 5000}}


class Processes:
    """Commands of this site as processes of their own."""

    def __init__(self, folder: Path, settings: Settings, alias: str) -> None:
        self.folder, self.settings, self.alias = folder, settings, alias
        self.all: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, debug: bool = False) -> subprocess.Popen[str]:
        values = connections[self.alias].settings_dict
        database = {key: values[key] for key in ("ENGINE", "NAME", "HOST", "PORT", "USER", "PASSWORD")}
        place = (self.settings.CENTRIFUGO_HOST, self.settings.CENTRIFUGO_PORT)
        (self.folder / "relayed_site.py").write_text(SITE % (database, *place, debug))
        command = [sys.executable, "-W", "error", "-m", "django", *arguments]
        environment = {
            "PYTHONPATH": f"{self.folder}:{ROOT}",
            "DJANGO_SETTINGS_MODULE": "relayed_site",
            "PATH": os.environ["PATH"],
        }
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder
        )
        self.all.append(process)
        return process

    def relay(self, *arguments: str) -> subprocess.Popen[str]:
        """A relay that is at work."""
        process = self.start("relayoutbox", *arguments)
        assert process.stdout is not None
        assert process.stdout.readline() == "Delivering the outbox. Press Ctrl-C to stop.\n"
        return process

    def end(self, process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send the signal; return exit status and output."""
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output

    def close(self) -> None:
        for process in self.all:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=PATIENCE)


@pytest.fixture
def processes(tmp_path: Path, settings: Settings, sqlite: str) -> Iterator[Processes]:
    made = Processes(tmp_path, settings, sqlite)
    yield made
    made.close()


def wait_until_empty() -> None:
    until(lambda: not OutboxEntry.objects.exists())


def fill(number: int, first: int = 0) -> None:
    publish_many(
        [{"channel": f"c{count % 5}", "data": count} for count in range(first, first + number)], fail_silently=False
    )


def history(channel: str) -> list[Any]:
    body = json.dumps({"channel": channel, "limit": -1}).encode()
    return [
        publication["data"]["data"] for publication in http.post("history", body, PATIENCE)["result"]["publications"]
    ]


def slowly(server: Any, client: Any, request: Any) -> bool:
    time.sleep(0.02)
    return accepted(server, client, request)


def sent(server: Any) -> list[tuple[str, int]]:
    commands = [command["publish"] for request in server.requests for command in request.json["commands"]]
    return [(command["channel"], command["data"]["data"]) for command in commands]


def test_from_publish_to_the_websocket(processes: Processes, server: LiveServer) -> None:
    processes.relay()
    user = AnonymousUser()
    with SyncClient(server.websocket_url, connection_token(user)) as client:
        client.join("public", channel_token("public", user))
        for number in range(3):
            publish("public", str(number))
        client.wait(lambda: len(client.received) == 3)
        assert client.texts() == ["0", "1", "2"]


def test_the_server_goes_and_comes_back(processes: Processes, server: LiveServer) -> None:
    relay = processes.relay()
    server.stop()
    fill(1000)
    assert relay.stdout is not None
    assert relay.stdout.readline().startswith("The outbox is not delivered: no connection to the server")
    assert OutboxEntry.objects.count() == 1000
    server.start()
    wait_until_empty()
    for number in range(5):
        assert history(f"c{number}") == list(range(number, 1000, 5))
    assert processes.end(relay) == (0, "The outbox is delivered again.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_ends_cleanly_and_lets_the_next_one_work(processes: Processes, number: signal.Signals) -> None:
    with fake_server() as server:
        processes.settings.CENTRIFUGO_PORT = server.port
        relay = processes.relay("--interval", "0.05")
        fill(1)
        wait_until_empty()
        assert processes.end(relay, number) == (0, "")
        fill(1)
        assert outbox.Relay().deliver() == 1


def two_relays(processes: Processes, alias: str, how: Answer, *options: str) -> list[tuple[str, int]]:
    processes.alias = alias
    fill(3000)
    with fake_server(how) as server:
        processes.settings.CENTRIFUGO_PORT = server.port
        relays = [processes.relay(*options), processes.relay(*options)]
        for number in range(5):
            fill(200, 3000 + 200 * number)
            time.sleep(0.1)
        wait_until_empty()
        assert [processes.end(relay) for relay in relays] == [(0, ""), (0, "")]
        return sent(server)


def test_two_at_once_send_each_once_and_in_order(processes: Processes, sqlite: str) -> None:
    found = two_relays(processes, sqlite, slowly)
    assert [number for _, number in found] == list(range(4000))


def test_two_at_once_on_postgres(processes: Processes, postgres: str) -> None:
    found = two_relays(processes, postgres, slowly, "--force")
    assert sorted(number for _, number in found) == list(range(4000))
    for channel in range(5):
        assert [number for name, number in found if name == f"c{channel}"] == list(range(channel, 4000, 5))


def test_a_killed_relay_loses_nothing(processes: Processes, server: LiveServer) -> None:
    """What it had sent and not yet deleted is sent again, and taken once: by its idempotency key."""
    fill(4000)
    relay = processes.relay()
    until(lambda: OutboxEntry.objects.count() < 4000)
    assert processes.end(relay, signal.SIGKILL)[0] == -signal.SIGKILL
    assert OutboxEntry.objects.exists()
    OutboxLease.objects.update(until=timezone.now())  # LEASE seconds later
    next_one = processes.relay()
    wait_until_empty()
    assert processes.end(next_one)[0] == 0
    for number in range(5):
        assert history(f"c{number}") == list(range(number, 4000, 5))


def test_what_a_killed_one_left_in_doubt_is_sent_again(processes: Processes) -> None:
    def killing(server: Any, client: Any, request: Any) -> bool:
        """The server has taken the rows, and the relay dies before it hears of it."""
        processes.all[0].kill()
        return False

    fill(3)
    with fake_server(killing, accepted) as server:
        processes.settings.CENTRIFUGO_PORT = server.port
        assert processes.relay().wait(PATIENCE) == -signal.SIGKILL
        OutboxLease.objects.update(until=timezone.now())  # LEASE seconds later
        assert outbox.Relay().deliver() == 3
        assert server.requests[0].keys == server.requests[1].keys


# the command


def test_once_delivers_what_waits(sqlite: str) -> None:
    fill(600)
    output = io.StringIO()
    with fake_server() as server:
        call_command("relayoutbox", "--once", stdout=output)
    assert output.getvalue() == "Delivered 600 messages, 0 remain.\n"
    assert [number for _, number in sent(server)] == list(range(600))


def test_once_says_what_is_wrong(sqlite: str, settings: Settings) -> None:
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    fill(3)
    with pytest.raises(
        CommandError, match="Delivered 0 messages, the others remain in the outbox: no connection to the server"
    ):
        call_command("relayoutbox", "--once")
    assert OutboxEntry.objects.count() == 3


def test_it_is_refused_where_the_server_does_it(postgres: str) -> None:
    with pytest.raises(CommandError, match=r"The server delivers the outbox itself.*--force"):
        call_command("relayoutbox", "--once")
    fill(3)
    with fake_server():
        call_command("relayoutbox", "--once", "--force", stdout=io.StringIO())
    assert not OutboxEntry.objects.exists()


@pytest.mark.parametrize("text", ["0", "-1", "nan", "x", "1e9"])
def test_an_interval_that_is_none(text: str) -> None:
    with pytest.raises(CommandError, match="--interval"):
        call_command("relayoutbox", f"--interval={text}")


# the relay of runws


@pytest.mark.parametrize(("kind", "database"), [("dev", "sqlite"), ("dev", "postgres"), ("centrifugo", "sqlite")])
def test_runws_relays_where_the_server_does_not(
    processes: Processes, settings: Settings, request: pytest.FixtureRequest, kind: str, database: str
) -> None:
    need_server(kind)
    processes.alias = request.getfixturevalue(database)
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    publish("public", "before")
    runws = processes.start("runws", "--server", kind, debug=True)
    wait_until_listening(settings.CENTRIFUGO_PORT, runws)  # type: ignore[arg-type]
    publish("public", "after")
    wait_until_empty()
    body = b'{"channel": "public", "limit": -1}'
    found = [each["data"]["message"] for each in http.post("history", body, PATIENCE)["result"]["publications"]]
    assert found == ["before", "after"]
    status, output = processes.end(runws)
    assert status == 0
    assert "the outbox" not in output
    if kind == "dev":
        assert len(output.splitlines()) == 1, output  # no word of consumers
