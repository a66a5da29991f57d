"""The official SDKs, unchanged, against the devserver (and a real Centrifugo, so that the tests are right)."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

from tests.devserver.servers import KEY, ORIGIN, token
from tests.waiting import PATIENCE

FRONTEND = Path(__file__).parents[2] / "frontend" / "node_modules"
SCRIPT = Path(__file__).with_name("sdk.cjs")


class Recorder(SubscriptionEventHandler):
    """Put what a subscription tells into a queue."""

    def __init__(self):
        self.events = asyncio.Queue()

    async def on_publication(self, ctx):
        await self.events.put(ctx.pub.data)

    async def on_subscribed(self, ctx):
        await self.events.put(("subscribed", ctx.was_recovering, ctx.recovered))

    async def on_join(self, ctx):
        await self.events.put(("join", ctx.info.user))

    async def next(self):
        return await asyncio.wait_for(self.events.get(), PATIENCE)


class Closings(ClientEventHandler):
    """Put the codes with which the server closes the connection into a queue."""

    def __init__(self):
        self.codes = asyncio.Queue()

    async def on_connecting(self, ctx):
        if ctx.code:
            await self.codes.put(ctx.code)


# After a close by the server the SDK forgets to close its old socket.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_python_sdk(server):
    await drive_python_sdk(server)
    await asyncio.sleep(0.05)
    gc.collect()


async def drive_python_sdk(server):
    tokens = [token(), token()]

    async def connection_token():
        return tokens.pop()

    async def channel_token(channel):
        return token(channel=channel)

    closings = Closings()
    client = Client(
        f"ws://127.0.0.1:{server.port}/connection/websocket",
        events=closings,
        get_token=connection_token,
        min_reconnect_delay=0.01,
    )
    recorder = Recorder()
    subscription = client.new_subscription("$room:sdk", events=recorder, get_token=channel_token)
    history = Recorder()
    recovering = client.new_subscription("$hist:sdk", events=history, get_token=channel_token)
    await client.connect()
    await subscription.subscribe()
    await recovering.subscribe()
    try:
        assert await recorder.next() == ("subscribed", False, False)
        assert await recorder.next() == ("join", "42")
        await subscription.publish({"hello": "world"})
        assert await recorder.next() == {"hello": "world"}
        assert [info.user for info in (await subscription.presence()).clients.values()] == ["42"]
        assert (await subscription.presence_stats()).num_clients == 1

        assert (await history.next())[0] == "subscribed"
        first = (await server.api("publish", channel="$hist:sdk", data=1))["offset"]
        assert await history.next() == 1
        await server.api("disconnect", user="42", disconnect={"code": 4001, "reason": "again"})
        assert await asyncio.wait_for(closings.codes.get(), PATIENCE) == 4001
        await server.api("publish", channel="$hist:sdk", data=2)
        assert await history.next() == ("subscribed", True, True)
        assert await history.next() == 2
        assert (await recovering.history(limit=-1)).offset == first + 1
    finally:
        await client.disconnect()


@pytest.mark.node
def test_javascript_sdk(server):
    missing = [name for name in ("centrifuge", "ws") if not (FRONTEND / name).is_dir()]
    if missing or shutil.which("node") is None:
        pytest.skip(f"needs node and, in frontend/node_modules, {' and '.join(missing) or 'nothing more'}")
    setup = {
        "port": server.port,
        "modules": str(FRONTEND),
        "key": KEY,
        "origin": ORIGIN,
        "token": token(),
        "channelToken": token(channel="$room:js"),
        "historyToken": token(channel="$hist:js"),
    }
    done = subprocess.run(
        ["node", str(SCRIPT), json.dumps(setup)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "connected": True,
        "tokens": 1,
        "joined": "42",
        "published": {"hello": "world"},
        "present": ["42"],
        "history": [1, 2],
        "recovered": [True, True],
        "refused": 103,
        "rpc": 108,
        "disconnected": 3503,
    }
