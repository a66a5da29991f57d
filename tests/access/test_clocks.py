"""Django's clock is 60 seconds off: what docs/security.md and docs/server.md say of it."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from instant import publish
from instant.access import tokens
from instant.testing import LiveServer
from tests.clients import SyncClient

USER = User(pk=7)


@pytest.fixture(params=[60, -60], ids=["ahead", "behind"])
def ahead(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    seconds: int = request.param
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: time.time() + seconds))
    return seconds


def test_clients_connect_join_and_get_messages(server: LiveServer, ahead: int) -> None:
    with SyncClient(server.websocket_url, tokens.connection_token(USER)) as client:
        client.join("$a", tokens.channel_token("$a", USER))
        publish("$a", "arrives")
        client.wait(lambda: client.texts() == ["arrives"])


@override_settings(INSTANT_STRICT=True)
def test_a_token_of_a_strict_channel_is_too_short_for_a_clock_that_is_behind(server: LiveServer, ahead: int) -> None:
    with SyncClient(server.websocket_url, tokens.connection_token(USER)) as client:
        token = tokens.channel_token("$a", USER, client=client.client.client_id)
        if ahead > 0:
            client.join("$a", token)
        else:
            with pytest.raises(AssertionError, match="not subscribed"):
                client.join("$a", token)
