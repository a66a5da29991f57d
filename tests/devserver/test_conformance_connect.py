"""Connecting, frames and tokens: the devserver and a real Centrifugo must answer alike."""

from __future__ import annotations

import asyncio
import re
import time

import aiohttp
import jwt
import pytest

from tests.devserver.servers import OLD_SECRET, ORIGIN, SECRET, token

pytestmark = pytest.mark.slow

FREE = {"expires": None}
EVER = {"expires": True, "ttl": 31536000}
MINUTES = {"expires": True}


def soon():
    return int(time.time()) + 100


CONNECTS = {
    "nothing": (dict, 3501),
    "malformed": (lambda: {"token": "x"}, 3500),
    "wrong signature": (lambda: {"token": token(key="x" * 64)}, 3500),
    "previous key": (lambda: {"token": token(key=OLD_SECRET)}, MINUTES),
    "HS384": (lambda: {"token": token(algorithm="HS384")}, MINUTES),
    "HS512": (lambda: {"token": token(algorithm="HS512")}, MINUTES),
    "alg none": (lambda: {"token": jwt.encode({"sub": "1"}, None, algorithm="none")}, 3500),
    "int sub": (lambda: {"token": jwt.encode({"sub": 5}, SECRET)}, 3500),
    "no sub": (lambda: {"token": token(None)}, MINUTES),
    "expired": (lambda: {"token": token(exp=1)}, 109),
    "nbf ahead": (lambda: {"token": token(nbf=soon())}, 109),
    "iat ahead": (lambda: {"token": token(iat=soon())}, MINUTES),
    "channel claim": (lambda: {"token": token(channel="news")}, 3500),
    "unknown namespace in channels": (lambda: {"token": token(channels=["unknown:1"])}, 102),
    "unknown namespace in subs": (lambda: {"token": token(subs={"unknown:1": {}})}, 102),
    "channels of a wrong type": (lambda: {"token": token(channels="news")}, 3500),
    "too many channels": (lambda: {"token": token(channels=[f"open:{n}" for n in range(7)])}, 3505),
    "expire_at 0": (lambda: {"token": token(expire_at=0)}, FREE),
    "expire_at in the past": (lambda: {"token": token(expire_at=5)}, 110),
    "exp in milliseconds": (lambda: {"token": token(exp=int(time.time() * 1000))}, EVER),
    "no exp": (lambda: {"token": token(exp=None)}, FREE),
    "token of a wrong type": (lambda: {"token": 5}, 3501),
    "a wish for an unknown namespace": (lambda: {"token": token(), "subs": {"unknown:1": {}}}, 3501),
}

FRAMES = {
    "empty": ("", 3501),
    "no JSON": ("x", 3501),
    "an array": ("[]", 3501),
    "an unexpected pong": ("{}", 3501),
    "null is a pong": ("null", 3501),
    "an unknown command": ({"id": 5, "foo": {}}, 3501),
    "only an id": ({"id": 5}, 3501),
    "ping": ({"id": 5, "ping": {}}, 3501),
    "no id": ({"subscribe": {"channel": "open:1"}}, 3501),
    "an id over 32 bits": ({"id": 2**32, "rpc": {}}, 3501),
    "a negative id": ({"id": -1, "rpc": {}}, 3501),
    "a second connect": ({"id": 5, "connect": {}}, 3501),
    "send": ({"send": {"data": 1}}, 3508),
    "too long": ("x" * 65537, 1009),
    "a blank line": ('{"id":5,"rpc":{}}\n\n{"id":6,"rpc":{}}', 3501),
    **{
        f"{name} without a channel": ({"id": 5, name: {}}, 3501)
        for name in ("subscribe", "unsubscribe", "publish", "presence", "presence_stats", "history", "sub_refresh")
    },
    "a channel of a wrong type": ({"id": 5, "history": {"channel": 5}}, 3501),
    "refresh without a token": ({"id": 5, "refresh": {}}, 3501),
    "an unknown delta": ({"id": 5, "subscribe": {"channel": "open:1", "delta": "x"}}, 3501),
}

ORIGINS = {
    None: 101,
    "": 101,
    ORIGIN: 101,
    "http://LOCALHOST:8000": 101,
    "http://localhost": 403,
    "https://localhost:8000": 403,
    "localhost:8000": 403,
    "http://evil.example": 403,
    "null": 403,
    "https://a.example.org": 101,
    "https://a.b.example.org": 101,
    "https://example.org": 403,
    "https://a.example.org:1": 403,
    "http://dev.local:99": 101,
    "http://dev.local": 403,
}


@pytest.mark.parametrize("name", CONNECTS)
async def test_connect(server, name):
    make, expected = CONNECTS[name]
    async with server.peer(None) as peer:
        outcome = await peer.outcome("connect", **make())
        if isinstance(expected, int):
            assert outcome == expected
        else:
            assert {key: outcome.get(key) for key in expected} == expected


@pytest.mark.parametrize("name", FRAMES)
async def test_frame_that_closes(server, name):
    frame, code = FRAMES[name]
    async with server.peer() as peer:
        await peer.send(frame)
        assert await peer.close_code() == code


@pytest.mark.parametrize("origin", ORIGINS)
async def test_origin(server, origin):
    headers = {} if origin is None else {"Origin": origin}
    try:
        async with server.peer(headers=headers):
            status = 101
    except aiohttp.WSServerHandshakeError as error:
        status = error.status
    assert status == ORIGINS[origin]


async def test_connect_reply(server):
    async with server.peer() as peer:
        assert peer.result.pop("ttl") in (599, 600)
        assert len(peer.result.pop("client")) == 36
        assert re.fullmatch(r"\d+\.\d+\.\d+ OSS", peer.result.pop("version"))
        assert peer.result == {"expires": True, "ping": 25, "pong": True}


async def test_commands_of_one_frame_are_answered_in_order(server):
    async with server.peer(None) as peer:
        subscribe = {"id": 2, "subscribe": {"channel": "open:1"}}
        await peer.send({"id": 1, "connect": {"token": token()}}, subscribe, {"id": 3, "rpc": {}})
        assert [(await peer.next())["id"] for _ in range(3)] == [1, 2, 3]


async def test_first_command_must_be_connect(server):
    async with server.peer(None) as peer:
        await peer.send({"id": 1, "subscribe": {"channel": "open:1"}})
        assert await peer.close_code() == 3501


async def test_silence_is_stale(server):
    async with server.peer(None) as peer:
        assert await peer.close_code() == 3502


async def test_after_an_error_to_connect_nothing_is_answered(server):
    async with server.peer(None) as peer:
        await peer.send({"id": 1, "connect": {"token": token(exp=1)}}, {"id": 2, "rpc": {}})
        assert (await peer.next())["error"]["code"] == 109
        await peer.send({"id": 3, "rpc": {}})
        with pytest.raises(asyncio.TimeoutError):
            await peer.socket.receive(0.3)


async def test_binary_frames_and_a_last_newline_are_fine(server):
    async with server.peer() as peer:
        await peer.socket.send_bytes(b'{"id":8,"rpc":{"method":"x"}}')
        assert await peer.reply(8) == {"id": 8, "error": {"code": 108, "message": "not available"}}
        await peer.send('{"id":9,"rpc":{"method":"x"}}\n')
        assert (await peer.reply(9))["error"]["code"] == 108
        frame = '{"id":10,"rpc":{"data":"%s"}}'
        await peer.send(frame % ("x" * (65536 - len(frame) + 2)))
        assert (await peer.reply(10))["error"]["code"] == 108


async def test_subprotocols(server):
    for offered, chosen in ((["centrifuge-json"], "centrifuge-json"), (["foo"], None)):
        async with aiohttp.ClientSession() as http:
            url = f"{server.url}/connection/websocket"
            async with http.ws_connect(url, protocols=offered) as socket:
                assert socket.protocol == chosen


async def test_anonymous_modes(start):
    with start(client={"allow_anonymous_connect_without_token": True}) as server:
        async with server.peer(None) as peer:
            assert "client" in await peer.outcome("connect")
            assert await peer.outcome("subscribe", channel="news") == 103
            assert await peer.outcome("subscribe", channel="open:1") == {}
            sub_token = token("", channel="signed:1", expire_at=0)
            assert await peer.outcome("subscribe", channel="signed:1", token=sub_token) == {}


async def test_strict_modes(start):
    client = {
        "disallow_anonymous_connection_tokens": True,
        "user_connection_limit": 1,
        "token": {"hmac_secret_key": SECRET, "audience": "us", "issuer": "me"},
    }
    with start(client=client) as server:
        good = {"aud": ["you", "us"], "iss": "me"}
        async with server.peer(token=token(**good)):
            for code, claims in (
                (3504, good),
                (3507, {**good, "sub": ""}),
                (3500, {"aud": "us"}),
                (3500, {"iss": "me"}),
            ):
                async with server.peer(None) as peer:
                    assert await peer.outcome("connect", token=token(**claims)) == code


async def test_keys_of_their_own_and_personal_channels(start):
    other = "k" * 64
    client = {
        "subscription_token": {"enabled": True, "hmac_secret_key": other},
        "subscribe_to_user_personal_channel": {"enabled": True, "personal_channel_namespace": "open"},
    }
    with start(client=client) as server:
        async with server.peer() as peer:
            assert peer.result["subs"] == {"open:#42": {}}
            sub_token = token(channel="signed:1")
            assert await peer.outcome("subscribe", channel="signed:1", token=sub_token) == 103
            sub_token = token(channel="signed:1", key=other, expire_at=0)
            assert await peer.outcome("subscribe", channel="signed:1", token=sub_token) == {}


async def test_pings(start):
    with start(client={"ping_interval": "400ms", "pong_timeout": "200ms"}) as server:
        async with server.peer() as peer:
            assert (peer.result["pong"], peer.result.get("ping")) == (True, None)
            peer.answers_pings = False
            for _ in range(3):
                assert await peer.next() == {}
                await peer.send("{}")
            assert await peer.next() == {}
            assert await peer.close_code() == 3012
        async with server.peer() as eager:
            eager.answers_pings = False
            assert await eager.next() == {}
            await eager.send("{}")
            await eager.send("{}")
            assert await eager.close_code() == 3501
