"""The defects of versions before 5 in what is sent: each has a test of its own."""

from __future__ import annotations

import pytest
from django.test import override_settings

from instant import publish
from instant.centrifugo.config import render
from instant.conf import conf
from instant.exceptions import PublishError, Unreachable
from instant.testing import capture_published
from instant.testing.live_servers import free_port
from tests.fakes import fake_server, silent


def test_c6_more_than_two_positional_arguments_are_refused() -> None:
    """C6: `publish("c", "text", "more")` dropped the message in silence, and raised only where data was missing too."""
    with capture_published() as published:
        for args in (("c", "text", "more"), ("c", "text", "more", "and more")):
            with pytest.raises(TypeError, match=f"it got {len(args)} positional arguments"):
                publish(*args, data={"n": 1})
        assert list(published) == []


def test_c7_settings_are_read_when_they_are_used() -> None:
    """C7: settings were frozen at import, so that override_settings had no effect; SITE_NAME was a default argument."""
    with fake_server() as first, fake_server() as second:
        with override_settings(CENTRIFUGO_PORT=first.port, SITE_NAME="One", CENTRIFUGO_API_KEY="key1"):
            publish("public", "hi")
            rendered = render()["http_server"]["port"]
        with override_settings(CENTRIFUGO_PORT=second.port, SITE_NAME="Two", CENTRIFUGO_API_KEY="key2"):
            publish("public", "hi")
            assert second.port == conf.CENTRIFUGO_PORT
    got = [(request.json["data"]["site"], request.headers["x-api-key"]) for request in first.requests + second.requests]
    assert first.port == rendered
    assert got == [("One", "key1"), ("Two", "key2")]


def test_r4_a_server_that_is_down_can_be_lived_with(caplog: pytest.LogCaptureFixture) -> None:
    """R4: with the server down publish() raised the client library's errors, with no way to go on in silence."""
    with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=free_port()):
        with pytest.raises(Unreachable, match="a retry may help") as caught:
            publish("public", "hi")
        assert (caught.value.channel, caught.value.backend, caught.value.retryable) == ("public", "python", True)
        assert caught.value.__cause__ is not None
        error = publish("public", "hi", fail_silently=True)
    assert isinstance(error, PublishError)
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("instant", "ERROR", str(error))
    ]


def test_r4_a_hanging_server_holds_a_publish_no_longer_than_its_timeout() -> None:
    """R4: a server that hangs blocked each publish for a second, whatever the caller wanted."""
    with fake_server(silent) as server:
        with pytest.raises(Unreachable, match="did not answer in time"):
            publish("public", "hi", timeout=0.1)
        with override_settings(INSTANT_PUBLISH_TIMEOUT=0.1), pytest.raises(Unreachable, match="in time"):
            publish("public", "hi")
    assert len(server.requests) == 2
