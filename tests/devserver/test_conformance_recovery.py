"""History, positions and recovery: the devserver and a real Centrifugo must answer alike."""

from __future__ import annotations

import uuid

import pytest

from tests.devserver.servers import token


@pytest.fixture
async def filled(server):
    """A channel with seven publications, of which five are kept, and its epoch."""
    channel = f"hist:{uuid.uuid4().hex[:8]}"
    for number in range(1, 8):
        result = await server.api("publish", channel=channel, data=number)
        assert result["offset"] == number
    return channel, result["epoch"]


@pytest.mark.parametrize(
    ("offset", "recovered"),
    [(7, []), (6, [7]), (4, [5, 6, 7]), (3, None), (2, None), (0, None), (9, None)],
)
async def test_recovery(server, filled, offset, recovered):
    """Offsets 4 to 7 recover; 2 and 3 would in history's size, but not in the limit of 3 (CONFIG)."""
    channel, epoch = filled
    async with server.peer() as peer:
        reply = await peer.ask("subscribe", channel=channel, recover=True, offset=offset, epoch=epoch)
        common = {"recoverable": True, "positioned": True, "epoch": epoch, "was_recovering": True}
        if recovered is None:
            assert reply == {**common, "offset": 7}
        else:
            found = [publication["data"] for publication in reply.pop("publications", [])]
            assert (found, reply) == (recovered, {**common, "recovered": True, "offset": offset})


async def test_recovery_by_epoch(server, filled):
    channel, epoch = filled
    async with server.peer() as peer:
        for given, recovered in ((epoch, True), ("", True), ("other", None)):
            reply = await peer.ask("subscribe", channel=channel, recover=True, offset=6, epoch=given)
            assert reply.get("recovered") == recovered
            await peer.ask("unsubscribe", channel=channel)
        refused = {"channel": channel, "recover": True, "offset": 6, "epoch": "other", "flag": 2}
        assert await peer.outcome("subscribe", **refused) == 112


async def test_since_an_untouched_channel(server):
    """The way of a page: read the position, render, publish meanwhile, join with the position."""
    channel = f"hist:{uuid.uuid4().hex[:8]}"
    first = await server.api("history", channel=channel)
    assert (await server.api("history", channel=channel), first["offset"]) == (first, 0)
    await server.api("publish", channel=channel, data="meanwhile")
    async with server.peer() as peer:
        reply = await peer.ask("subscribe", channel=channel, recover=True, offset=0, epoch=first["epoch"])
        publication = {"data": "meanwhile", "offset": 1, "epoch": first["epoch"]}
        assert (reply["recovered"], reply["publications"]) == (True, [publication])
        assert "offset" not in reply
        await peer.quiet()
        await server.api("publish", channel=channel, data="now")
        assert (await peer.push())["pub"] == {"data": "now", "offset": 2}


@pytest.mark.parametrize(
    ("request_", "data"),
    [
        ({}, []),
        ({"limit": 2}, [3, 4]),
        ({"limit": 2, "reverse": True}, [7, 6]),
        ({"limit": -1}, [3, 4, 5, 6, 7]),
        ({"limit": -1, "since": {"offset": 5}}, [6, 7]),
        ({"limit": -1, "since": {"offset": 1}}, [3, 4, 5, 6, 7]),
        ({"limit": -1, "since": {"offset": 7}}, []),
        ({"limit": -1, "since": {"offset": 99}}, []),
        ({"limit": -1, "since": {"offset": 5}, "reverse": True}, [4, 3]),
        ({"limit": -1, "since": {"offset": 3}, "reverse": True}, []),
        ({"limit": -1, "since": {"offset": 8}, "reverse": True}, [7, 6, 5, 4, 3]),
    ],
)
async def test_history(server, filled, request_, data):
    channel, epoch = filled
    reply = await server.api("history", channel=channel, **request_)
    assert [publication["data"] for publication in reply["publications"]] == data
    assert (reply["epoch"], reply["offset"]) == (epoch, 7)
    async with server.peer() as peer:
        await peer.ask("subscribe", channel=channel)
        told = await peer.ask("history", channel=channel, **request_)
        # CONFIG lets a client have three.
        assert [publication["data"] for publication in told["publications"]] == data[:3]


async def test_history_errors(server, filled):
    channel, _ = filled
    wrong = {"offset": 5, "epoch": "other"}
    assert (await server.api("history", channel=channel, limit=1, since=wrong))["code"] == 112
    zero = {"offset": 0}
    assert (await server.api("history", channel=channel, limit=1, since=zero, reverse=True))["code"] == 100
    async with server.peer() as peer:
        await peer.ask("subscribe", channel=channel)
        assert await peer.outcome("history", channel=channel, since=wrong) == 112


async def test_removed_history_keeps_its_position(server, filled):
    channel, epoch = filled
    assert await server.api("history_remove", channel=channel) == {}
    expected = {"publications": [], "epoch": epoch, "offset": 7}
    assert await server.api("history", channel=channel, limit=-1) == expected
    async with server.peer() as peer:
        for offset, recovered in ((7, True), (6, None)):
            reply = await peer.ask("subscribe", channel=channel, recover=True, offset=offset, epoch=epoch)
            assert reply.get("recovered") == recovered
            await peer.ask("unsubscribe", channel=channel)


async def test_cache_mode(server):
    channel = f"cache:{uuid.uuid4().hex[:8]}"
    async with server.peer() as peer:
        reply = await peer.ask("subscribe", channel=channel)
        common = {"recoverable": True, "positioned": True, "was_recovering": True, "epoch": reply["epoch"]}
        assert reply == common
        for number in (1, 2):
            await server.api("publish", channel=channel, data=number)
            assert (await peer.push())["pub"]["data"] == number
        latest = [{"data": 2, "offset": 2}]
        for offset, publications in ((0, latest), (1, latest), (2, None)):
            await peer.ask("unsubscribe", channel=channel)
            since = {"recover": True, "offset": offset, "epoch": reply["epoch"]} if offset else {}
            reply = await peer.ask("subscribe", channel=channel, **since)
            assert (reply["recovered"], reply.get("publications")) == (True, publications)


async def test_recovery_on_request(server):
    channel = f"opt:{uuid.uuid4().hex[:8]}"
    async with server.peer() as peer:
        assert await peer.ask("subscribe", channel=channel) == {}
        await peer.ask("unsubscribe", channel=channel)
        reply = await peer.ask("subscribe", channel=channel, recoverable=True)
        assert (reply["recoverable"], reply["positioned"]) == (True, True)


async def test_skipped_history(server, filled):
    channel, _ = filled
    async with server.peer() as peer:
        assert (await peer.ask("subscribe", channel=channel))["offset"] == 7
        assert await server.api("publish", channel=channel, data="passing", skip_history=True) == {}
        assert (await server.api("publish", channel=channel, data=8))["offset"] == 8
        passed = [(await peer.push()).get("pub", {}).get("data") for _ in range(2)]
        assert passed == ["passing", 8]


async def test_versions(server):
    channel, told = f"hist:{uuid.uuid4().hex[:8]}", []
    async with server.peer() as peer:
        await peer.ask("subscribe", channel=channel)
        for version, epoch in ((5, ""), (4, ""), (5, ""), (6, "a"), (6, "b"), (3, ""), (7, "b"), (0, "")):
            given = {"version": version, "version_epoch": epoch}
            told.append((await server.api("publish", channel=channel, data=1, **given))["offset"])
        assert told == [1, 1, 1, 2, 3, 3, 4, 5]
        assert [(await peer.push())["pub"]["offset"] for _ in range(5)] == [1, 2, 3, 4, 5]
        await peer.quiet()


async def test_idempotency(server):
    kept, plain = f"hist:{uuid.uuid4().hex[:8]}", f"open:{uuid.uuid4().hex[:8]}"
    async with server.peer() as peer:
        await peer.ask("subscribe", channel=kept)
        await peer.ask("subscribe", channel=plain)
        for channel in (kept, plain):
            answers = [
                await server.api("publish", channel=channel, data=key, idempotency_key=key)
                for key in ("a", "a", "b", "a")
            ]
            assert answers[0] == answers[1] == answers[3]
            assert (answers[2] == answers[0]) == (channel == plain)
            assert [(await peer.push())["pub"]["data"] for _ in range(2)] == ["a", "b"]
        await server.api("broadcast", channels=[plain, "open:other"], data=1, idempotency_key="b")
        await peer.quiet()


async def test_refresh_with_channels(server):
    claimed = token(channels=["open:1"])
    async with server.peer(token=claimed) as peer:
        assert (await peer.ask("refresh", token=claimed))["expires"] is True
        assert await peer.outcome("refresh", token=token()) == 3010
    async with server.peer() as peer:
        assert await peer.outcome("refresh", token=token(expire_at=0)) == {}
        assert await peer.outcome("refresh", token=token(expire_at=5)) == 110
        assert await peer.outcome("refresh", token=claimed) == 3010


@pytest.mark.parametrize(("claims", "code"), [({"exp": 1}, 3005), ({"user": "1"}, 3500), ({"key": "x" * 64}, 3500)])
async def test_refresh_that_closes(server, claims, code):
    async with server.peer() as peer:
        assert await peer.outcome("refresh", token=token(**claims)) == code
