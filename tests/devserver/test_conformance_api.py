"""The HTTP API: the devserver and a real Centrifugo must answer alike."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.devserver.servers import KEY, UNKNOWN, token

BAD_REQUEST = {"code": 107, "message": "bad request"}
NOT_AVAILABLE = {"code": 108, "message": "not available"}
NOT_FOUND = {"code": 104, "message": "not found"}
INTERNAL = {"code": 100, "message": "internal server error"}

CALLS = {
    "publish": ("publish", {"channel": "open:1", "data": None}, {}),
    "publish, $": ("publish", {"channel": "$open:1", "data": None}, {}),
    "publish, b64data": ("publish", {"channel": "open:1", "b64data": "MQ=="}, {}),
    "publish, bad b64data": ("publish", {"channel": "open:1", "b64data": "!!"}, BAD_REQUEST),
    "publish, no channel": ("publish", {"data": 1}, BAD_REQUEST),
    "publish, no data": ("publish", {"channel": "open:1"}, BAD_REQUEST),
    "publish, unknown namespace": ("publish", {"channel": "unknown:1", "data": 1}, UNKNOWN),
    "publish, not the format": ("publish", {"channel": "post:1", "data": 1}, BAD_REQUEST),
    "publish, not ASCII and long": ("publish", {"channel": "open:é" + "x" * 300, "data": 1}, {}),
    "publish, a map": ("publish", {"channel": "map:1", "data": 1}, BAD_REQUEST),
    "publish, unknown fields": ("publish", {"channel": "open:1", "data": 1, "foo": 1}, {}),
    "broadcast, none": ("broadcast", {"channels": [], "data": 1}, BAD_REQUEST),
    "broadcast, no data": (
        "broadcast",
        {"channels": ["open:1"]},
        {"responses": [{"error": BAD_REQUEST}]},
    ),
    "broadcast, some fail": (
        "broadcast",
        {"channels": ["open:1", "", "unknown:1"], "data": 1},
        {"responses": [{"result": {}}, {"error": BAD_REQUEST}, {"error": UNKNOWN}]},
    ),
    "subscribe, no channel": ("subscribe", {"user": "x"}, BAD_REQUEST),
    "subscribe, unknown namespace": ("subscribe", {"user": "x", "channel": "unknown:1"}, UNKNOWN),
    "subscribe, nobody there": ("subscribe", {"user": "nobody", "channel": "open:1"}, {}),
    "unsubscribe, nobody there": ("unsubscribe", {"user": "nobody", "channel": "open:1"}, {}),
    "unsubscribe, no channel": ("unsubscribe", {"user": "nobody"}, {}),
    "unsubscribe, unknown namespace": ("unsubscribe", {"channel": "unknown:1"}, UNKNOWN),
    "disconnect, nobody there": ("disconnect", {"user": "nobody"}, {}),
    "refresh, nobody there": ("refresh", {"user": "nobody"}, {}),
    "presence, off": ("presence", {"channel": "open:1"}, NOT_AVAILABLE),
    "presence, no channel": ("presence", {}, BAD_REQUEST),
    "presence, empty": ("presence", {"channel": "room:empty"}, {"presence": {}}),
    "presence_stats, off": ("presence_stats", {"channel": "open:1"}, NOT_AVAILABLE),
    "presence_stats, empty": (
        "presence_stats",
        {"channel": "room:empty"},
        {"num_clients": 0, "num_users": 0},
    ),
    "history, off": ("history", {"channel": "open:1"}, NOT_AVAILABLE),
    "history, no channel": ("history", {}, BAD_REQUEST),
    "history, unknown namespace": ("history", {"channel": "unknown:1"}, UNKNOWN),
    "history_remove, off": ("history_remove", {"channel": "open:1"}, NOT_AVAILABLE),
    "channels, a bad pattern": ("channels", {"pattern": "[x"}, INTERNAL),
    "channels, none found": ("channels", {"pattern": "nothing:{a,b}*"}, {"channels": {}}),
    "rpc": ("rpc", {"method": "x"}, NOT_FOUND),
    "rpc, no method": ("rpc", {}, BAD_REQUEST),
    "batch, empty": ("batch", {}, {}),
    "batch": (
        "batch",
        {
            "commands": [
                {"publish": {"channel": "open:1", "data": 1}},
                {"publish": {"channel": "unknown:1", "data": 1}},
                {},
                None,
                {"presence": {"channel": "room:empty"}},
                {"broadcast": {"channels": ["unknown:1"], "data": 1}},
                {"history": {"channel": "open:1"}},
            ]
        },
        {
            "replies": [
                {"publish": {}},
                {"error": UNKNOWN},
                {"error": NOT_FOUND},
                {"error": BAD_REQUEST},
                {"presence": {"presence": {}}},
                {"broadcast": {"responses": [{"error": UNKNOWN}]}},
                {"error": NOT_AVAILABLE},
            ]
        },
    ),
}

GOOD = b'{"channel": "open:1", "data": 1}'
WITH_KEY = {"X-API-Key": KEY}
REQUESTS = {
    "no key": ("/api/publish", GOOD, {}, "POST", 401),
    "a bad key": ("/api/publish", GOOD, {"X-API-Key": "x"}, "POST", 401),
    "a bad key beside a good one": (
        "/api/publish",
        GOOD,
        {"X-API-Key": "x", "Authorization": f"apikey {KEY}"},
        "POST",
        401,
    ),
    "Authorization": ("/api/publish", GOOD, {"Authorization": f"ApiKey {KEY}"}, "POST", 200),
    "a query": (f"/api/publish?api_key={KEY}", GOOD, {}, "POST", 200),
    "GET": ("/api/publish", b"", WITH_KEY, "GET", 405),
    "GET without a key": ("/api/publish", b"", {}, "GET", 405),
    "a wrong path": ("/api/nothing", GOOD, WITH_KEY, "POST", 404),
    "a slash": ("/api/publish/", GOOD, WITH_KEY, "POST", 404),
    "elsewhere": ("/", GOOD, WITH_KEY, "GET", 404),
    "no body": ("/api/publish", b"", WITH_KEY, "POST", 400),
    "no JSON": ("/api/publish", b"{x", WITH_KEY, "POST", 400),
    "no object": ("/api/publish", b"[]", WITH_KEY, "POST", 400),
    "null": ("/api/publish", b"null", WITH_KEY, "POST", 200),
    "more than JSON": ("/api/publish", GOOD + b" x", WITH_KEY, "POST", 400),
    "a channel of a wrong type": ("/api/publish", b'{"channel": 5, "data": 1}', WITH_KEY, "POST", 400),
    "a tag of a wrong type": (
        "/api/publish",
        b'{"channel": "open:1", "data": 1, "tags": {"a": 1}}',
        WITH_KEY,
        "POST",
        400,
    ),
    "an error in transport mode": (
        "/api/publish",
        b'{"channel": "unknown:1", "data": 1}',
        {**WITH_KEY, "X-Centrifugo-Error-Mode": "transport"},
        "POST",
        404,
    ),
    "health": ("/health", b"", {}, "GET", 200),
    "no upgrade": ("/connection/websocket", b"", {}, "GET", 400),
}


@pytest.mark.parametrize("case", CALLS)
async def test_call(server, case):
    method, body, expected = CALLS[case]
    assert await server.api(method, **body) == expected


@pytest.mark.parametrize("case", REQUESTS)
async def test_request(server, case):
    path, body, headers, method, status = REQUESTS[case]
    assert (await server.http(path, body, headers=headers, method=method))[0] == status


async def test_bodies_of_refusals(server):
    assert await server.http("/api/publish", GOOD, headers={}) == (401, "")
    assert await server.http("/api/publish", b"x") == (400, "Bad Request\n")
    assert await server.http("/api/x", b"x") == (404, "404 page not found\n")
    assert await server.http("/health", method="GET", headers={}) == (200, "{}")


async def test_old_api(server):
    publish = {"method": "publish", "params": {"channel": "open:1", "data": 1}}
    assert json.loads((await server.http("/api", publish))[1]) == {"result": {}}
    two = json.dumps({"id": 4, **publish}).encode() + b'{"method": "presence", "params": {"channel": "open:1"}}'
    status, text = await server.http("/api", two)
    assert [json.loads(line) for line in text.split("\n")] == [
        {"id": 4, "result": {}},
        {"error": NOT_AVAILABLE},
    ]
    assert (status, (await server.http("/api", {"method": "nothing"}))[0]) == (200, 400)
    assert json.loads((await server.http("/api", {"method": "publish", "params": {"channel": 5}}))[1]) == {
        "error": BAD_REQUEST
    }
    assert (await server.http("/api", b""))[0] == 400


async def test_subscribe_and_unsubscribe(server):
    async with server.peer("50") as peer:
        body = {"user": "50", "channel": "$hist:api", "data": {"d": 1}}
        assert await server.api("subscribe", **body) == {}
        push = await peer.push()
        epoch = push["subscribe"].pop("epoch")
        told = {"recoverable": True, "positioned": True, "data": {"d": 1}}
        assert push == {"channel": "$hist:api", "subscribe": told}
        await server.api("publish", channel="$hist:api", data="x")
        assert (await peer.push())["pub"] == {"data": "x", "offset": 1, "epoch": epoch}
        assert await peer.outcome("subscribe", channel="$hist:api") == 105
        expected = {"unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}
        for _ in range(2):
            assert await server.api("unsubscribe", user="50", channel="$hist:api") == {}
            assert await peer.push() == {"channel": "$hist:api", **expected}
        assert await server.api("unsubscribe", user="50") == {}
        assert await peer.push() == expected
        since = {"offset": 0, "epoch": epoch}
        await server.api("subscribe", user="50", channel="$hist:api", recover_since=since)
        assert "offset" not in (await peer.push())["subscribe"]
        past = {"user": "50", "channel": "open:past", "expire_at": 5}
        assert await server.api("subscribe", **past) == INTERNAL


async def test_one_client_of_a_user(server):
    async with server.peer("51") as one, server.peer("51") as two:
        client = two.result["client"]
        await server.api("subscribe", user="51", client=client, channel="open:1")
        assert "subscribe" in await two.push()
        await one.quiet()
        assert await server.api("disconnect", user="51", whitelist=[client]) == {}
        assert await one.close_code() == 3503
        await two.quiet()


@pytest.mark.parametrize("code", [3001, 3503, 4001, 4501, 4999, 5000])
async def test_disconnect(server, code):
    async with server.peer("52") as peer:
        await server.api("disconnect", user="52", disconnect={"code": code, "reason": "why"})
        assert await peer.close_code() == code


async def test_disconnect_without_user_hits_the_anonymous(server):
    async with server.peer("53") as named, server.peer(token=token("")) as anonymous:
        await server.api("disconnect")
        assert await anonymous.close_code() == 3503
        await named.quiet()


async def test_refresh(server):
    async with server.peer("54") as peer:
        await server.api("refresh", user="54", expire_at=int(time.time()) + 500)
        push = await peer.push()
        assert 490 < push["refresh"].pop("ttl") <= 500
        assert push == {"refresh": {"expires": True}}
        await server.api("refresh", user="54")
        assert await peer.push() == {"refresh": {}}
        await server.api("refresh", user="54", expired=True)
        assert await peer.close_code() == 3005


async def test_too_many_channels_by_the_server(server):
    async with server.peer("55") as peer:
        for number in range(7):
            await server.api("subscribe", user="55", channel=f"open:{number}")
        assert await peer.close_code() == 3505


async def test_a_slow_reader_is_closed(server):
    async with server.peer("56") as peer:
        await peer.ask("subscribe", channel="open:big")
        await server.api("publish", channel="open:big", data="x" * 30_000)
        assert await peer.close_code() == 3008


async def test_info(server):
    node = (await server.api("info"))["nodes"][0]
    assert re.fullmatch(r"\d+\.\d+\.\d+ OSS", node["version"])
    assert node["num_clients"] >= 0


async def test_without_a_key_the_api_is_closed(start):
    with start(http_api={"key": ""}) as server:
        assert (await server.http("/api/publish", GOOD, headers={"X-API-Key": ""}))[0] == 401
