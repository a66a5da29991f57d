"""manage.py instantstatus: figures of what runs, and an exit status for what does not."""

from __future__ import annotations

import io
import json
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from instant import publish
from instant.access.tokens import channel_token, connection_token
from instant.backends import go_publisher
from instant.models import OutboxEntry
from instant.status import status
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from tests.clients import SyncClient

pytestmark = pytest.mark.django_db


def shown(*args: str) -> tuple[str, int]:
    """What the command prints, and its exit status."""
    out, code = io.StringIO(), 0
    try:
        call_command("instantstatus", *args, stdout=out)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return out.getvalue(), code


def test_the_server_is_counted(server: LiveServer, django_user_model: Any) -> None:
    user = django_user_model.objects.create_user("ann")
    with SyncClient(server.websocket_url, connection_token(user)) as client:
        client.join("news", channel_token("news", user))
        client.wait(lambda: status()["server"]["clients"] == 1, "for the count")
        text, code = shown("--json")
    figures = json.loads(text)["server"]
    assert code == 0
    assert (figures["nodes"], figures["users"], figures["channels"]) == (1, 1, 1)
    assert figures["url"] == server.url


@pytest.mark.parametrize(("ahead", "how"), [(60, "60 s ahead of the"), (-60, "60 s behind the"), (3, "")])
def test_a_clock_that_is_off_is_a_problem(
    ahead: int, how: str, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(time=lambda: time.time() + ahead)
    monkeypatch.setattr("instant.status.time", clock)
    text, code = shown()
    assert code == bool(how)
    assert (f"Django's clock is {how} server's" in text) == bool(how)
    assert abs(status()["server"]["clock_offset_s"] - ahead) < 2


def test_a_server_that_is_away_is_not_well(settings: Any) -> None:
    settings.CENTRIFUGO_PORT = free_port()
    text, code = shown()
    assert code == 1
    assert "server: PROBLEM: the server is not reachable" in text


def test_the_outbox_is_counted(server: LiveServer, settings: Any) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"
    publish("news", "waits")
    assert status()["outbox"]["rows"] == 1
    assert shown()[1] == 0
    OutboxEntry.objects.update(created_at=timezone.now() - timedelta(hours=1))
    text, code = shown()
    assert code == 1
    assert "see check instant.W006" in text


def test_a_publisher_is_not_started_to_be_asked(server: LiveServer, settings: Any, tmp_path: Any) -> None:
    settings.INSTANT_BROADCAST_WITH, settings.INSTANT_GO_SOCKET = "go", str(tmp_path / "go.sock")
    assert status()["publisher"] == {"running": False}
    assert shown()[1] == 0
    assert go_publisher.figures() is None
