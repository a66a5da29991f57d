"""Rpc commands that are handed on to a backend: the devserver and a real Centrifugo must answer alike."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.devserver.backend import ANSWERS, fake_backend, rpc_section
from tests.devserver.conftest import KINDS
from tests.devserver.servers import config, running, token

pytestmark = pytest.mark.slow

INTERNAL = {"code": 100, "message": "internal server error", "temporary": True}
SPAM = {"code": 1000, "message": "spam"}
EXPECTED = {
    "null": {"data": None},
    "spaced": {"data": {"a": 1, "b": [2]}},
    "no data": {},
    "no result": {},
    "nothing": {},
    "JSON null": {},
    "unknown fields": {"data": 1},
    "base64": {"data": {"a": 1}},
    "error": SPAM,
    "temporary": {**SPAM, "temporary": True},
    "low": {"code": 50, "message": "low"},
    "empty error": {},
    "error and result": SPAM,
    "kicked": 4500,
    "disconnect and result": 4001,
}
OFF, UNKNOWN = {"code": 108, "message": "not available"}, {"code": 104, "message": "method not found"}
METHODS = {
    "chat.say": {"data": {"a": 1}},
    "a.b.c-d_e/1 é": {"data": {"a": 1}},
    "open:x": {"data": {"a": 1}},
    "open:x:y": {"data": {"a": 1}},
    ":x": {"data": {"a": 1}},
    "off:x": OFF,
    "off": {"data": {"a": 1}},
    "weird:name": UNKNOWN,
}
DATA = [None, 0, "", [], {}, False, {"é": ["☃", 1.5, {"x": None}]}, "<b>&</b>" * 100]


@pytest.fixture(scope="module")
def backend():
    with fake_backend() as running_backend:
        yield running_backend


@pytest.fixture(scope="module", params=KINDS)
def server(request, backend):
    changed = config(client={"concurrency": 8}, rpc=rpc_section(backend.url))
    with running(request.param, changed) as running_server:
        yield running_server


@pytest.mark.parametrize("method", ANSWERS)
async def test_what_becomes_of_an_answer(server, method):
    async with server.peer() as peer:
        await peer.send({"id": 7, "rpc": {"method": method}})
        expected = EXPECTED.get(method, INTERNAL)
        if isinstance(expected, int):
            assert await peer.close_code() == expected
        else:
            kind = "rpc" if "data" in expected or not (expected or method == "empty error") else "error"
            assert await peer.next() == {"id": 7, kind: expected}


@pytest.mark.parametrize("method", METHODS)
async def test_method_names(server, method):
    async with server.peer() as peer:
        assert await peer.ask("rpc", method=method, data={"a": 1}) == METHODS[method]


@pytest.mark.parametrize("data", DATA, ids=str)
async def test_data_arrives_and_comes_back(server, backend, data):
    async with server.peer() as peer:
        assert await peer.ask("rpc", method="echo", data=data) == {"data": data}
        assert backend.asked[-1]["data"] == data


async def test_what_the_backend_is_asked(server, backend):
    meta = {"window": "k", "session": "s"}
    sent = {"Cookie": "a=b", "X-Instant-Secret": "forged", "User-Agent": "me", "Accept-Language": "de"}
    async with server.peer(None, headers=sent) as peer:
        client = (await peer.ask("connect", token=token(meta=meta)))["client"]
        await peer.ask("rpc", method="echo", data=1)
        common = {"client": client, "transport": "websocket", "protocol": "json", "encoding": "json", "user": "42"}
        assert backend.asked[-1] == {**common, "method": "echo", "data": 1, "meta": meta}
        headers = {name.lower(): value for name, value in backend.headers[-1].items()}
        assert headers["content-type"] == "application/json"
        assert headers["x-instant-secret"] == "s3cret"
        assert "cookie" not in headers
        assert (headers["user-agent"], headers["accept-language"]) == ("me", "de")
        await peer.ask("rpc")
        assert backend.asked[-1] == {**common, "meta": meta}
        await peer.ask("refresh", token=token(meta={"window": "other"}))
        await peer.ask("rpc", method="echo")
        assert backend.asked[-1] == {**common, "method": "echo", "meta": {"window": "other"}}
    async with server.peer("") as peer:
        await peer.ask("rpc", method="echo")
        assert backend.asked[-1].keys() == {*common, "method"}
        assert backend.asked[-1]["user"] == ""


@pytest.mark.parametrize(("concurrency", "count", "at_once"), [(8, 10, 8), (0, 2, 1)])
async def test_so_many_at_once_and_no_more(start, concurrency, count, at_once):
    with fake_backend() as own, start(client={"concurrency": concurrency}, rpc=rpc_section(own.url)) as server:
        started = time.monotonic()
        async with server.peer() as peer:
            await peer.send(*({"id": n, "rpc": {"method": "slow", "data": n}} for n in range(10, 10 + count)))
            replies = [await peer.next() for _ in range(count)]
        assert sorted(reply["id"] for reply in replies) == list(range(10, 10 + count))
        assert all(reply["rpc"]["data"] == reply["id"] for reply in replies)
        assert own.most == at_once
        assert 1 <= time.monotonic() - started < 1.9


async def test_a_slow_command_holds_up_no_other(server):
    async with server.peer() as peer:
        await peer.send({"id": 7, "rpc": {"method": "slow"}})
        assert await peer.ask("rpc", method="echo", data=1) == {"data": 1}
        assert await peer.next() == {"id": 7, "rpc": {"data": None}}


async def test_who_leaves_before_the_answer_harms_nobody(server):
    async with server.peer() as peer:
        await peer.send({"id": 7, "rpc": {"method": "slow"}})
    await asyncio.sleep(0.7)
    async with server.peer() as peer:
        assert await peer.ask("rpc", method="echo", data=1) == {"data": 1}


async def test_a_backend_that_is_slow_or_away_is_a_temporary_error(start, backend):
    with start(rpc=rpc_section(backend.url, timeout="100ms")) as server:
        async with server.peer() as peer:
            assert await peer.ask("rpc", method="slow") == INTERNAL
    with start(rpc=rpc_section("http://127.0.0.1:9/")) as server:
        async with server.peer() as peer:
            assert await peer.ask("rpc", method="echo") == INTERNAL


async def test_meta_only_where_it_is_asked_for(start, backend):
    with start(rpc=rpc_section(backend.url, include_connection_meta=False)) as server:
        async with server.peer(token=token(meta={"a": 1})) as peer:
            await peer.ask("rpc", method="echo")
            assert "meta" not in backend.asked[-1]


@pytest.mark.parametrize("section", [{}, {"proxy": {"endpoint": "http://127.0.0.1:9/"}}], ids=["none", "not enabled"])
async def test_without_a_backend_it_is_not_available(start, section):
    with start(rpc=section) as server:
        async with server.peer() as peer:
            assert await peer.ask("rpc", method="chat.say") == OFF
