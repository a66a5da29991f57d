"""What becomes of a call: of what a function raises or returns, and of too many."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpRequest
from pytest_django import Settings

from instant.exceptions import Deny, Disconnect
from instant.models import Channel
from instant.proxies import rate_limits
from instant.proxies.requests import RpcRequest
from instant.views.proxies import rpc
from tests.proxies.calls import BODY, INTERNAL, error, post


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Deny(), (403, "permission denied")),
        (Deny(404, "no such signal"), (404, "no such signal")),
        (Deny(1999, "ü"), (1999, "ü")),
        (Deny(100, "x"), (500, "x")),
        (Deny(5000, "x"), (500, "x")),
        (ValueError("a secret"), (500, "internal error")),
        (RecursionError(), (500, "internal error")),
        (KeyError("x"), (500, "internal error")),
    ],
    ids=repr,
)
def test_what_is_raised(raised: Exception, expected: tuple[int, str], answering: Any) -> None:
    def fail(request: RpcRequest) -> None:
        raise raised

    answering(fail)
    assert error(post()) == expected


def test_a_failure_is_logged(answering: Any, caplog: pytest.LogCaptureFixture) -> None:
    answering(lambda request: 1 / 0)
    assert error(post()) == (500, "internal error")
    (record,) = [record for record in caplog.records if record.name == "instant"]
    assert record.levelno == logging.ERROR
    assert record.exc_info


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Disconnect(), {"code": 4500, "reason": "closed"}),
        (Disconnect(4001, "come again"), {"code": 4001, "reason": "come again"}),
        (Disconnect(3000, "ü\n" + "x" * 50), {"code": 4500, "reason": "x" * 32}),
    ],
)
def test_a_disconnect(raised: Disconnect, expected: dict[str, Any], answering: Any) -> None:
    def close(request: RpcRequest) -> None:
        raise raised

    answering(close)
    assert post().json() == {"disconnect": expected}


@pytest.mark.parametrize("value", [float("nan"), ..., {1: ...}, "\ud800", b"x"], ids=repr)
def test_a_value_that_no_json_holds(value: Any, answering: Any, caplog: pytest.LogCaptureFixture) -> None:
    answering(lambda request: {"value": value})
    assert post().json() == INTERNAL
    assert "cannot be sent" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("raised", [None, Deny(), Disconnect(), ValueError()], ids=repr)
def test_with_atomic_requests_what_a_failed_call_wrote_is_undone(raised: Exception | None, answering: Any) -> None:
    def write(request: RpcRequest) -> None:
        Channel.objects.create(name="written", level="public")
        if raised:
            raise raised

    answering(write)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        post()
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert Channel.objects.filter(name="written").exists() == (raised is None)


@pytest.mark.django_db
def test_a_transaction_of_the_test_is_left_alone(answering: Any) -> None:
    answering(lambda request: 1 / 0)
    with transaction.atomic():
        post()
        assert Channel.objects.count() == 0


# Rate


def test_too_many_calls_are_refused(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.INSTANT_RPC_RATE = "3/60s"
    assert ["result" in post().json() for _ in range(3)] == [True] * 3
    assert error(post()) == (429, "too many calls; the limit is 3/60s")
    assert error(post({**BODY, "client": "c2"}))[0] == 429
    assert "result" in post({**BODY, "user": "43", "meta": None}).json()
    assert "makes too many calls" in caplog.text
    settings.INSTANT_RPC_RATE = None
    assert "result" in post().json()


def test_each_connection_of_a_visitor_has_a_rate(settings: Settings) -> None:
    settings.INSTANT_RPC_RATE = "2/60s"
    visitor = {name: value for name, value in BODY.items() if name not in ("user", "meta")}
    for client in ("c1", "c2", "42"):
        answers = [post({**visitor, "client": client}).json() for _ in range(3)]
        assert ["result" in answer for answer in answers] == [True, True, False]
    assert "result" in post().json()  # the user whose id is the name of a connection


def test_how_long_to_wait() -> None:
    now = [0.0]
    buckets = rate_limits.Buckets(lambda: now[0])
    assert buckets.wait("c", (2, 10)) == 0
    assert buckets.take("c", (2, 10))
    assert buckets.wait("c", (2, 10)) == 0
    assert buckets.take("c", (2, 10))
    assert buckets.wait("c", (2, 10)) == 5
    now[0] += 4
    assert buckets.wait("c", (2, 10)) == pytest.approx(1)
    now[0] += 1
    assert buckets.wait("c", (2, 10)) == 0


def test_the_bucket_fills_again() -> None:
    now = [0.0]
    buckets = rate_limits.Buckets(lambda: now[0])
    assert [buckets.take("c", (2, 10)) for _ in range(3)] == [True, True, False]
    now[0] += 5
    assert [buckets.take("c", (2, 10)) for _ in range(2)] == [True, False]
    now[0] += 1000
    assert [buckets.take("c", (2, 10)) for _ in range(3)] == [True, True, False]


def test_the_memory_for_rates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_CONNECTIONS", 10)
    buckets = rate_limits.Buckets()
    for number in range(100):
        assert buckets.take(str(number), (1, 1000))
    assert len(buckets._counted().left) == 10
    assert not buckets.take("99", (1, 1000))


def test_a_view_that_is_asked_in_asgi_too() -> None:
    request = HttpRequest()
    request.method = "POST"
    assert rpc(request).status_code == 403


def test_an_integer_that_a_browser_would_round_is_text(answering: Any) -> None:
    answering(lambda request: {"pks": [2**53 - 1, 2**53, -(2**60)]})
    assert post().json() == {"result": {"data": {"pks": [2**53 - 1, str(2**53), str(-(2**60))]}}}
