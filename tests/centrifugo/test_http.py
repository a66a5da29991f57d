"""The way of all bytes: kept connections, retries, odd answers, threads and event loops."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from django.test import override_settings

from instant.centrifugo import http
from instant.exceptions import ServerError
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from tests.fakes import FakeServer, accepted, answer, closed, fake_server, half, silent
from tests.waiting import PATIENCE

BODY = json.dumps({"channel": "public", "data": "hi", "idempotency_key": "key"}).encode()

Call = Callable[..., dict[str, Any]]


def apost(*args: Any) -> dict[str, Any]:
    return asyncio.run(http.apost(*args))


@pytest.fixture(params=[http.post, apost], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    return request.param  # type: ignore[no-any-return]


def failure(call: Call, *args: Any) -> ServerError:
    with pytest.raises(ServerError) as caught:
        call("publish", BODY, *args)
    return caught.value


# what is retried


@pytest.mark.parametrize("lost", [closed, half, answer({"error": {"code": 100, "message": "internal"}})])
def test_a_lost_answer_is_asked_for_again_with_the_same_key(call: Call, lost: Any) -> None:
    with fake_server(lost, lost, accepted) as server:
        assert call("publish", BODY, 10)["result"]["epoch"] == "key"
    assert [request.keys for request in server.requests] == [["key"]] * 3


@pytest.mark.parametrize("lost", [closed, half])
def test_a_server_that_stays_away_is_given_up(call: Call, lost: Any) -> None:
    with fake_server(lost) as server:
        error = failure(call, 10)
    assert len(server.requests) == 1 + http.RETRIES
    assert error.retryable
    assert error.__cause__ is not None


def test_an_idle_connection_that_the_server_closed_costs_nothing(call: Call) -> None:
    with fake_server(answer({"result": {}}, keep=False), accepted) as server:
        for _ in range(3):
            call("publish", BODY, 10)
    assert len(server.requests) == 3


# what is not


def test_a_refused_connection_names_the_address_and_what_to_do(call: Call) -> None:
    port = free_port()
    with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=port):
        error = failure(call)
    assert f"no connection to the server at http://127.0.0.1:{port}" in error.reason
    assert "runws" in error.reason
    assert (error.retryable, error.code) == (True, 0)


def test_a_hanging_server_is_left_after_the_timeout(call: Call) -> None:
    with fake_server(silent) as server:
        error = failure(call, 0.2)
    assert len(server.requests) == 1  # no time is left for a second try
    assert "did not answer in time" in error.reason
    assert error.retryable


def test_the_timeout_of_the_settings_holds(call: Call) -> None:
    with fake_server(silent), override_settings(INSTANT_PUBLISH_TIMEOUT=0.1):
        assert "did not answer in time" in failure(call).reason


def test_no_time_at_all_is_an_error_of_ours(call: Call) -> None:
    with fake_server(silent):
        assert failure(call, -1).retryable


@pytest.mark.parametrize(
    ("said", "code", "retryable", "text"),
    [
        (answer(b"", 500), 500, True, "answered with HTTP 500"),
        (answer(b"<html>Bad Gateway</html>", 502), 502, True, "answered with HTTP 502"),
        (answer(b"404 page not found", 404), 404, False, "answered with HTTP 404"),
        (answer(b"", 301), 301, False, "answered with HTTP 301"),
        (answer(b"", 401), 401, False, "refused the API key"),
        (answer(b"<html>It works!</html>"), 200, False, "is not Centrifugo: b'<html>It works!"),
        (answer(b""), 200, False, "is not Centrifugo: b''"),
        (answer(b"[]"), 200, False, "is not Centrifugo"),
        (answer(b"null"), 200, False, "is not Centrifugo"),
        (answer(b"{}"), 200, False, "is not Centrifugo"),
        (answer(b'{"status": "ok"}'), 200, False, "is not Centrifugo"),
        (answer(b'{"result": null}'), 200, False, "is not Centrifugo"),
        (answer(b'{"replies": 5}'), 200, False, "is not Centrifugo"),
        (answer(b'{"error": "unauthorized"}'), 200, False, "is not Centrifugo"),
        (answer(b"\xff\xfe"), 200, False, "is not Centrifugo"),
        (answer({"error": {"code": 102, "message": "unknown channel"}}), 102, False, "102 unknown channel: it does"),
        (answer({"error": {"code": 107, "message": "bad request"}}), 107, False, "107 bad request"),
    ],
)
def test_an_odd_answer_is_reported_and_not_asked_for_again(
    call: Call, said: Any, code: int, retryable: bool, text: str
) -> None:
    with fake_server(said) as server:
        error = failure(call, 10)
    assert text in error.reason
    assert (error.code, error.retryable, len(server.requests)) == (code, retryable, 1)


def test_the_key_is_not_sent_on_to_where_the_server_points(call: Call) -> None:
    def moved(server: FakeServer, client: Any, request: Any) -> bool:
        client.sendall(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        return True

    with fake_server(moved) as server:
        failure(call, 10)
    assert [request.path for request in server.requests] == ["/api/publish"]


def test_a_path_in_the_address_is_kept(call: Call) -> None:
    with fake_server() as server, override_settings(CENTRIFUGO_HOST="http://127.0.0.1/rt/"):
        call("publish", BODY)
    assert [request.path for request in server.requests] == ["/rt/api/publish"]


# how an answer comes


def raw(*parts: bytes, keep: bool = True) -> Any:
    """Answer with these bytes, a moment between the parts."""

    def send(server: FakeServer, client: Any, request: Any) -> bool:
        for number, part in enumerate(parts):
            time.sleep(0.02 if number else 0)
            client.sendall(part)
        return keep

    return send


DATE = b"Date: Sat, 21 Nov 2026 11:00:00 GMT\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("said", "connections"),
    [
        (raw(OK + b"Content-Type: application/json\r\n" + DATE + b'Content-Length: 13\r\n\r\n{"result":{}}'), 1),
        (raw(OK + b"Content-Length: 13\r\nServer: x\r\n" + DATE + b'\r\n{"result":{}}'), 1),
        (raw(OK + b"Content-Length: 13\r\n\r\n", b'{"result', b'":{}}'), 1),
        (raw(OK, DATE, b'Content-Length: 13\r\n\r\n{"result":{}}'), 1),
        (raw(OK + DATE + b"Content-Len", b'gth: 13\r\n\r\n{"result":{}}'), 1),
        (raw(OK + b'content-length: 13\r\n\r\n{"result":{}}'), 1),
        (raw(OK + b'Via: 1.1 x\r\nContent-Length: 13\r\n\r\n{"result":{}}'), 1),
        (raw(b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"result":{}}'), 1),
        (raw(OK + DATE + b'Transfer-Encoding: chunked\r\n\r\nd\r\n{"result":{}}\r\n0\r\n\r\n'), 1),
        (raw(OK + b'Connection: close\r\nContent-Length: 13\r\n\r\n{"result":{}}'), 2),
        (raw(b'HTTP/1.0 200 OK\r\nContent-Length: 13\r\n\r\n{"result":{}}'), 2),
        (raw(OK + DATE + b'\r\n{"result":{}}', keep=False), 2),
    ],
    ids=[
        *("plain", "other order", "body later", "head in parts", "header in parts", "small letters", "other header"),
        *("continue", "chunked", "close", "1.0", "no length"),
    ],
)
def test_a_head_of_any_kind_is_understood(said: Any, connections: int) -> None:
    with fake_server(said) as server:
        for _ in range(2):
            assert http.post("publish", BODY, 10) == {"result": {}}
    assert len({request.connection for request in server.requests}) == connections


# what is done while the server works


def test_meanwhile_is_when_the_server_has_the_request() -> None:
    begun, done = threading.Event(), threading.Event()

    def waiting(server: FakeServer, client: Any, request: Any) -> bool:
        begun.set()
        return done.wait(PATIENCE) and accepted(server, client, request)

    def meanwhile() -> None:
        assert begun.wait(PATIENCE)  # it has the whole request
        done.set()  # and answers when this is over

    with fake_server(waiting) as server:
        assert http.post("publish", BODY, 10, meanwhile)["result"]["epoch"] == "key"
    assert "transfer-encoding" not in server.requests[0].headers


@pytest.mark.parametrize("lost", [closed, half, answer({"error": {"code": 100, "message": "internal"}})])
def test_meanwhile_is_once_however_often_is_tried(lost: Any) -> None:
    calls: list[int] = []
    with fake_server(lost, lost, accepted) as server:
        http.post("publish", BODY, 10, lambda: calls.append(len(server.requests)))
    assert len(calls) == 1
    assert [request.body for request in server.requests] == [BODY] * 3


# the real ones


def test_a_server_that_was_started_again_is_reached_at_once(server: LiveServer, call: Call) -> None:
    call("publish", BODY)
    server.stop()
    assert "no connection" in failure(call).reason
    server.start()
    assert "result" in call("publish", BODY)


# threads


def test_threads_get_their_own_answers() -> None:
    """8 threads, 200 calls each, over one pool: each answer has the key of its question."""
    wrong: list[object] = []

    def work(name: int) -> None:
        for number in range(200):
            key = f"{name}-{number}"
            body = json.dumps({"channel": "public", "data": "x", "idempotency_key": key}).encode()
            if http.post("publish", body, 10)["result"]["epoch"] != key:
                wrong.append(key)

    with fake_server() as server:
        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len(server.requests) == 1600
    assert len({request.connection for request in server.requests}) <= 8


def test_threads_lose_nothing_on_a_real_server(server: LiveServer) -> None:
    def work(name: int) -> None:
        for number in range(200):
            body = {"channel": "$threads", "data": [name, number], "idempotency_key": f"{name}-{number}"}
            http.post("publish", json.dumps(body).encode(), 10)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # the history keeps 300, and the offset counts all
    assert http.post("history", b'{"channel": "$threads"}', PATIENCE)["result"]["offset"] == 1600


# event loops


def test_one_session_serves_a_loop_and_ends_with_it() -> None:
    async def work() -> aiohttp.ClientSession:
        for _ in range(5):
            await http.apost("publish", BODY)
        session = await http._session()
        assert not session.closed
        return session

    with fake_server() as server:
        first, second = asyncio.run(work()), asyncio.run(work())
    assert first.closed
    assert second.closed
    assert [request.connection for request in server.requests] == [0] * 5 + [1] * 5


@pytest.mark.slow
def test_an_ended_loop_is_forgotten() -> None:
    """async_to_sync makes a loop for each call of a WSGI site: none may stay in memory."""

    async def work() -> weakref.ref[asyncio.AbstractEventLoop]:
        await http.apost("publish", BODY)
        return weakref.ref(asyncio.get_running_loop())

    with fake_server():
        loops = [asyncio.run(work()) for _ in range(3)]
    gc.collect()
    assert [loop() for loop in loops] == [None] * 3
    assert len(http._sessions) == 0


async def test_many_at_once_share_a_session_and_get_their_own_answers() -> None:
    async def one(number: int) -> bool:
        body = json.dumps({"channel": "public", "data": "x", "idempotency_key": str(number)}).encode()
        return bool((await http.apost("publish", body, 10))["result"]["epoch"] == str(number))

    with fake_server() as server:
        assert all(await asyncio.gather(*(one(number) for number in range(100))))
    assert len(server.requests) == 100
    assert len(http._sessions) == 1


async def test_a_cancelled_call_leaves_the_session_whole() -> None:
    with fake_server(silent, accepted):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(http.apost("publish", BODY, 10), 0.1)
        assert "result" in await http.apost("publish", BODY, 10)
