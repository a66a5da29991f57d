"""Streams of sockets in the devserver, with a worker that misbehaves: the client always receives a reply."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from instant.devserver.stream_proxy import BRIDGE_HEADER
from instant.devserver.thread import ThreadedDevServer
from tests.devserver.servers import Server, config


async def close_at_once(socket):
    await socket.close()


async def answer_nonsense(socket):
    await socket.send_str("[]")


async def send_bytes(socket):
    await socket.send_bytes(b"{}")


async def refuse(socket):
    await socket.send_str(json.dumps({"error": {"code": 403, "message": "no"}}))


async def accept(socket):
    await socket.send_str("{}")
    await socket.receive()


async def reply_of(worker, **subscribe):
    """Return the reply to a subscribe command of which `worker` decides."""

    async def bridge(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await worker(socket)
        await socket.close()
        return socket

    site = web.Application()
    site.router.add_get("/", bridge)
    async with TestServer(site) as place:
        proxy = {
            "endpoint": "grpc://127.0.0.1:1",
            "http": {"static_headers": {BRIDGE_HEADER: str(place.make_url("/"))}},
        }
        channel = {
            "proxy": {"subscribe_stream": proxy},
            "namespaces": [{"name": "ws", "subscribe_stream_proxy_enabled": True}],
        }
        with ThreadedDevServer(config(channel=channel)) as running:
            async with Server(running.port, "dev").peer() as peer:
                return await peer.ask("subscribe", channel="ws:1", **subscribe)


@pytest.mark.parametrize("worker", [close_at_once, answer_nonsense, send_bytes])
async def test_a_worker_that_does_not_answer_is_an_internal_error(worker):
    assert (await reply_of(worker))["code"] == 100


async def test_a_worker_that_refuses():
    assert await reply_of(refuse) == {"code": 403, "message": "no"}


async def test_a_subscription_that_is_accepted():
    assert "code" not in await reply_of(accept)


async def test_a_subscription_that_is_accepted_but_cannot_be_made():
    assert (await reply_of(accept, tf={"op": "eq", "key": "a", "val": "b"}))["code"] == 107
