"""Subscribing, publishing, presence and history: the devserver and a real Centrifugo must answer alike."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest

from tests.devserver.servers import token


def name(namespace: str) -> str:
    """Make a channel that no other test uses."""
    return f"{namespace}:{uuid.uuid4().hex[:8]}"


def signed(channel: str, user: str = "42", **claims) -> dict:
    return {"channel": channel, "token": token(user, channel=channel, expire_at=0, **claims)}


SUBSCRIBES = {
    "a plain name": (lambda: {"channel": "news"}, {}),
    "no token where one is needed": (lambda: {"channel": "signed:1"}, 103),
    "$ in an open namespace": (lambda: {"channel": "$open:1"}, 103),
    "$ with a token": (lambda: signed("$open:1"), {}),
    "$ alone": (lambda: {"channel": "$news"}, 103),
    "unknown namespace": (lambda: {"channel": "unknown:1"}, 102),
    "unknown namespace with a token": (lambda: signed("unknown:1"), 102),
    "unknown namespace behind $": (lambda: signed("$unknown:1"), 102),
    "not ASCII": (lambda: {"channel": "open:é"}, 107),
    "a regex that allows it": (lambda: {"channel": "rx:é"}, {}),
    "a regex that forbids": (lambda: {"channel": "rx:a"}, 107),
    "256 bytes": (lambda: {"channel": "open:" + "x" * 251}, 107),
    "255 bytes": (lambda: {"channel": "open:" + "x" * 250}, {}),
    "an empty rest": (lambda: {"channel": "open:"}, {}),
    "an empty namespace": (lambda: {"channel": ":x"}, {}),
    "an expired token": (lambda: {"channel": "signed:1", "token": token(channel="signed:1", exp=1)}, 109),
    "expire_at in the past": (
        lambda: {"channel": "signed:1", "token": token(channel="signed:1", expire_at=5)},
        110,
    ),
    "a bad token": (lambda: {"channel": "open:1", "token": "x"}, 103),
    "a connection token": (lambda: {"channel": "signed:1", "token": token()}, 103),
    "another channel's token": (lambda: {**signed("signed:2"), "channel": "signed:1"}, 3500),
    "another user's token": (lambda: signed("signed:1", "43"), 3500),
    "another client's token": (lambda: signed("signed:1", client="x"), 3500),
    "data": (lambda: signed("signed:1", data={"a": None}), {"data": {"a": None}}),
    "own name": (lambda: {"channel": "own:#42"}, {}),
    "own name in a list": (lambda: {"channel": "own:x#41,42"}, {}),
    "another's name": (lambda: {"channel": "own:#43"}, 103),
    "a tags filter": (lambda: {"channel": "open:1", "tf": {"key": "a"}}, 107),
    "delta where it is off": (lambda: {"channel": "open:1", "delta": "fossil"}, {}),
    "a shared poll": (lambda: {"channel": "open:1", "type": 4}, 108),
    "a map": (lambda: {"channel": "open:1", "type": 1}, 103),
    "a map namespace": (lambda: {"channel": "map:1"}, 103),
    "positioned where it is off": (lambda: {"channel": "opt:1", "positioned": True}, {}),
}

COMMANDS = {
    "publish, not allowed": ("publish", {"channel": "open:1", "data": 1}, 103),
    "publish, not subscribed": ("publish", {"channel": "room:1", "data": 1}, 103),
    "publish, allowed": ("publish", {"channel": "post:1", "data": {}}, {}),
    "publish, not the format": ("publish", {"channel": "post:1", "data": 1}, 107),
    "publish, no data": ("publish", {"channel": "room:1"}, 107),
    "publish, unknown namespace": ("publish", {"channel": "unknown:1", "data": 1}, 102),
    "publish, not ASCII": ("publish", {"channel": "post:é", "data": {}}, 107),
    "presence, off": ("presence", {"channel": "open:1"}, 108),
    "presence, not subscribed": ("presence", {"channel": "room:1"}, 103),
    "presence, unknown namespace": ("presence", {"channel": "unknown:1"}, 102),
    "presence_stats, off": ("presence_stats", {"channel": "open:1"}, 108),
    "history, off": ("history", {"channel": "open:1"}, 108),
    "history, not subscribed": ("history", {"channel": "hist:1"}, 103),
    "history, unknown namespace": ("history", {"channel": "unknown:1"}, 102),
    "rpc": ("rpc", {"method": "x"}, 108),
    "unsubscribe, not subscribed": ("unsubscribe", {"channel": "open:1"}, {}),
    "sub_refresh, not subscribed": ("sub_refresh", {"channel": "open:1", "token": "x"}, 103),
}


@pytest.mark.parametrize("case", SUBSCRIBES)
async def test_subscribe(server, case):
    make, expected = SUBSCRIBES[case]
    async with server.peer() as peer:
        assert await peer.outcome("subscribe", **make()) == expected


@pytest.mark.parametrize("case", COMMANDS)
async def test_command(server, case):
    command, body, expected = COMMANDS[case]
    async with server.peer() as peer:
        assert await peer.outcome(command, **body) == expected


async def test_twice_and_too_many(server):
    async with server.peer() as peer:
        for number in range(6):
            assert await peer.outcome("subscribe", channel=f"open:{number}") == {}
        assert await peer.outcome("subscribe", channel="open:1") == 105
        assert await peer.outcome("subscribe", channel="open:6") == 106
        assert await peer.outcome("unsubscribe", channel="open:1") == {}
        assert await peer.outcome("subscribe", channel="open:6") == {}


async def test_expiry_is_reported(server):
    async with server.peer() as peer:
        body = {"channel": "signed:1", "token": token(channel="signed:1")}
        assert (await peer.ask("subscribe", **body))["expires"] is True
        later = token(channel="signed:1", expire_at=int(time.time()) + 500)
        renewed = await peer.ask("sub_refresh", channel="signed:1", token=later)
        assert (renewed["expires"], 490 < renewed["ttl"] <= 500) == (True, True)
        forever = token(channel="signed:1", expire_at=0)
        assert await peer.ask("sub_refresh", channel="signed:1", token=forever) == {}
        expired = token(channel="signed:1", exp=1)
        assert await peer.ask("sub_refresh", channel="signed:1", token=expired) == {}
        past = token(channel="signed:1", expire_at=5)
        assert await peer.outcome("sub_refresh", channel="signed:1", token=past) == 110
        assert await peer.outcome("sub_refresh", channel="signed:1") == 107


@pytest.mark.parametrize("claims", [{"sub": "1"}, {"channel": "signed:2"}, {"client": "x"}, {"key": "x" * 64}])
async def test_sub_refresh_that_closes(server, claims):
    async with server.peer() as peer:
        await peer.ask("subscribe", **signed("signed:1"))
        given = token(**{"channel": "signed:1", **claims})
        assert await peer.outcome("sub_refresh", channel="signed:1", token=given) == 3500


async def test_join_leave_and_presence(server):
    channel = name("room")
    async with server.peer("1", token=token("1", info={"n": 1})) as one, server.peer("2") as two:
        ones = {"user": "1", "client": one.result["client"], "conn_info": {"n": 1}}
        twos = {"user": "2", "client": two.result["client"], "chan_info": {"c": 2}}
        assert await one.ask("subscribe", channel=channel) == {}
        assert await one.push() == {"channel": channel, "join": {"info": ones}}
        await two.ask("subscribe", **signed(channel, "2", info={"c": 2}))
        joined = {"channel": channel, "join": {"info": twos}}
        assert [await one.push(), await two.push()] == [joined, joined]
        present = {info["client"]: info for info in (ones, twos)}
        assert await one.ask("presence", channel=channel) == {"presence": present}
        assert await server.api("presence", channel=channel) == {"presence": present}
        stats = {"num_clients": 2, "num_users": 2}
        assert await one.ask("presence_stats", channel=channel) == stats
        assert await server.api("presence_stats", channel=channel) == stats
        assert (await server.api("channels", pattern="room:*"))["channels"][channel] == {"num_clients": 2}
        assert await two.ask("unsubscribe", channel=channel) == {}
        assert await one.push() == {"channel": channel, "leave": {"info": twos}}
        await two.quiet()


async def test_a_visitor_has_an_empty_user(server):
    channel = name("room")
    async with server.peer(token=token("")) as visitor:
        info = {"user": "", "client": visitor.result["client"]}
        await visitor.ask("subscribe", channel=channel)
        assert await visitor.push() == {"channel": channel, "join": {"info": info}}
        present = {"presence": {info["client"]: info}}
        assert await server.api("presence", channel=channel) == present


async def test_a_closed_socket_leaves(server):
    channel = name("room")
    async with server.peer("1") as one:
        await one.ask("subscribe", channel=channel)
        await one.push()
        async with server.peer("2") as two:
            await two.ask("subscribe", channel=channel)
            assert "join" in await one.push()
        assert "leave" in await one.push()


async def test_overrides_and_quiet_join_leave(server):
    channel = name("quiet")
    forced = {"force_push_join_leave": {"value": True}, "presence": {"value": False}}
    async with server.peer("1") as watcher, server.peer("2") as other:
        await watcher.ask("subscribe", **signed(channel, "1", override=forced))
        assert "join" in await watcher.push()
        await other.ask("subscribe", channel=channel)
        assert (await watcher.push())["join"]["info"]["user"] == "2"
        await other.quiet()
        assert list((await server.api("presence", channel=channel))["presence"]) == [other.result["client"]]
        unrecovered = signed("hist:over", "1", override={"force_recovery": {"value": False}})
        assert await watcher.ask("subscribe", **unrecovered) == {}


async def test_client_publications_carry_their_author(server):
    channel = name("room")
    async with server.peer("1") as one:
        await one.ask("subscribe", channel=channel)
        author = (await one.push())["join"]["info"]
        assert await one.ask("publish", channel=channel, data=None) == {}
        # The publisher gets its own publication, and before the reply.
        assert await one.push() == {"channel": channel, "pub": {"data": None, "info": author}}
        assert await server.api("publish", channel=channel, data=[1], tags={"k": "v"}) == {}
        assert await one.push() == {"channel": channel, "pub": {"data": [1], "tags": {"k": "v"}}}


async def test_client_publications_carry_their_author_live_in_recovery_and_in_history(server):
    channel = name("talk")
    start = await position(server, channel)
    async with (
        server.peer("1", token=token("1", info={"n": 1})) as author,
        server.peer("", token=token("")) as visitor,
        server.peer("2") as reader,
    ):
        await author.ask("subscribe", **signed(channel, "1", info={"c": 1}))
        subscribed = {
            "user": "1",
            "client": author.result["client"],
            "conn_info": {"n": 1},
            "chan_info": {"c": 1},
        }
        outside = {"user": "", "client": visitor.result["client"]}
        await author.ask("publish", channel=channel, data={"uid": "u", "info": {"user": "9"}})
        await server.api("publish", channel=channel, data="of the API")
        await visitor.ask("publish", channel=channel, data=None)
        expected = [
            {"data": {"uid": "u", "info": {"user": "9"}}, "info": subscribed},
            {"data": "of the API"},
            {"data": None, "info": outside},
        ]
        live = [(await author.push())["pub"] for _ in expected]
        recovery = await reader.ask("subscribe", channel=channel, recover=True, **start)
        asked = await reader.ask("history", channel=channel, limit=-1)
        api = await server.api("history", channel=channel, limit=-1)
        for publications in (live, recovery["publications"], asked["publications"], api["publications"]):
            assert [without_place(publication) for publication in publications] == expected
            assert [publication["offset"] for publication in publications] == [1, 2, 3]


async def test_client_publications_carry_the_author_of_now(server):
    channel = name("talk")
    async with server.peer("1", token=token("1", info={"n": 1})) as author:
        await author.ask("refresh", token=token("1", info={"n": 2}))
        await author.ask("publish", channel=channel, data=1)
        # As long as it is subscribed there, the channel's info is part of it.
        await author.ask("subscribe", **signed(channel, "1", info={"c": 1}))
        await author.ask("publish", channel=channel, data=2)
        await author.ask("unsubscribe", channel=channel)
        await author.ask("publish", channel=channel, data=3)
        kept = (await server.api("history", channel=channel, limit=-1))["publications"]
    plain = {"user": "1", "client": author.result["client"], "conn_info": {"n": 2}}
    assert [item["info"] for item in kept] == [plain, {**plain, "chan_info": {"c": 1}}, plain]


def without_place(publication):
    return {key: value for key, value in publication.items() if key not in ("offset", "epoch")}


async def test_server_side_subscriptions(server):
    subs = {
        "$hist:claimed": {"data": {"x": 1}},
        "room:claimed": {"info": {"i": 1}, "override": {"join_leave": {"value": False}}},
    }
    async with server.peer(token=token(subs=subs, channels=["open:ignored"])) as peer:
        told = peer.result["subs"]
        epoch = told["$hist:claimed"].pop("epoch")
        assert told["$hist:claimed"].pop("offset", 0) == (await position(server, "$hist:claimed"))["offset"]
        assert told == {
            "$hist:claimed": {"recoverable": True, "positioned": True, "data": {"x": 1}},
            "room:claimed": {},
        }
        await server.api("publish", channel="$hist:claimed", data="now")
        assert (await peer.push())["pub"]["data"] == "now"
        assert await peer.outcome("subscribe", channel="room:claimed") == 105
        assert (await position(server, "$hist:claimed"))["epoch"] == epoch
        assert await peer.outcome("sub_refresh", channel="room:claimed", token="x") == 3501


async def test_wishes_at_connect(server):
    await server.api("publish", channel="hist:wish", data=0)
    epoch = (await position(server, "hist:wish"))["epoch"]
    offset = (await server.api("publish", channel="hist:wish", data=1))["offset"] - 1
    wishes = {"hist:wish": {"recover": True, "epoch": epoch, "offset": offset}, "signed:1": {}, "$x": {}}
    async with server.peer(subs=wishes) as peer:
        assert list(peer.result["subs"]) == ["hist:wish"]
        told = peer.result["subs"]["hist:wish"]
        assert (told["recovered"], told["publications"][0]["data"]) == (True, 1)


async def test_expiry_ends_subscriptions_and_connections(server):
    """All at once, for each takes seconds."""

    async def connection():
        async with server.peer(token=token(exp=int(time.time()) + 2)) as peer:
            return await peer.close_code()

    async def subscription():
        async with server.peer() as peer:
            body = {"channel": "signed:1", "token": token(channel="signed:1", exp=int(time.time()) + 2)}
            await peer.ask("subscribe", **body)
            return await peer.push()

    async def by_the_server():
        async with server.peer("44") as peer:
            await server.api("subscribe", user="44", channel="open:9", expire_at=int(time.time()) + 2)
            return await peer.close_code()

    async def never():
        async with server.peer("45") as peer:
            body = {"channel": "signed:2", "token": token("45", channel="signed:2", exp=int(time.time()) + 1)}
            forever = token("45", channel="signed:2", exp=int(time.time()) + 1, expire_at=0)
            assert await peer.ask("subscribe", **{**body, "token": forever}) == {}
            await asyncio.sleep(3.5)
            await server.api("publish", channel="signed:2", data="still here")
            return (await peer.push())["pub"]

    outcomes = await asyncio.gather(connection(), subscription(), by_the_server(), never())
    expired = {"channel": "signed:1", "unsubscribe": {"code": 2501, "reason": "subscription expired"}}
    assert outcomes == [3005, expired, 3006, {"data": "still here"}]


async def position(server, channel):
    history = await server.api("history", channel=channel)
    return {"epoch": history["epoch"], "offset": history["offset"]}
