"""Starting, stopping and holding many clients."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import signal
import subprocess
import sys
import threading
import urllib.request

import aiohttp
import pytest

from instant.devserver.app import DevServer
from instant.devserver.foreground import run
from instant.devserver.thread import ThreadedDevServer
from instant.testing.live_servers import free_port
from tests.devserver.servers import Server, config, token, until
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

CLIENTS = 1000


async def test_start_and_stop():
    server = DevServer(config())
    await server.start()
    assert server.url == f"http://127.0.0.1:{server.port}"
    async with Server(server.port, "dev").peer() as peer, Server(server.port, "dev").peer(None) as stranger:
        stopping = asyncio.ensure_future(server.stop())
        assert [await peer.close_code(), await stranger.close_code()] == [3001, 3001]
        await stopping
    await server.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await Server(server.port, "dev").api("info")


async def test_a_client_that_does_not_answer_the_close_is_dropped():
    server = DevServer(config())
    await server.start()
    reader, writer = await raw_socket(server.port)
    await server.stop()
    assert (await reader.read()).endswith(b"shutdown")
    writer.close()


async def test_a_client_that_stops_reading_is_dropped():
    server = DevServer(config(websocket={"write_timeout": "100ms"}, client={"queue_max_size": 10**9}))
    await server.start()
    running = Server(server.port, "dev")
    _, writer = await raw_socket(server.port)
    writer.write(masked(id=1, connect={"token": token()}))
    writer.write(masked(id=2, subscribe={"channel": "room:lost"}))
    await until(lambda: num_clients(running))
    # The stream reader here stops at its limit, then the system's buffers fill.
    for _ in range(40):
        await running.api("publish", channel="room:lost", data="x" * 500_000)
    await until(lambda: gone(running))
    writer.close()
    await server.stop()


async def raw_socket(port):
    """Open a WebSocket by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    path = "GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{path}{key}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def masked(**command):
    """Make a text frame with a mask of zeros."""
    text = json.dumps(command).encode()
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text


async def num_clients(server):
    return (await server.api("presence_stats", channel="room:lost"))["num_clients"]


async def gone(server):
    return await num_clients(server) == 0


async def test_a_port_in_use():
    with ThreadedDevServer(config()) as first:
        second = DevServer(config(http_server={"port": first.port}))
        with pytest.raises(OSError, match=r"in use"):
            await second.start()


def test_run_with_a_port_in_use(capsys):
    with ThreadedDevServer(config()) as server:
        assert run(config(http_server={"port": server.port})) == 1
    error = capsys.readouterr().err
    assert (error.count("\n"), str(server.port) in error) == (1, True)


def test_run_with_a_bad_config(capsys):
    assert run({"channel": {"namespaces": [{"name": "x"}]}}) == 1
    assert "channel.namespaces[x]" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_python_m(tmp_path, name):
    port = free_port()
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(http_server={"port": port})))
    process = subprocess.Popen([sys.executable, "-m", "instant.devserver", path], stderr=subprocess.PIPE, text=True)
    try:
        assert f"127.0.0.1:{port}" in process.stderr.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as response:
            assert response.read() == b"{}"
        process.send_signal(getattr(signal, name))
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


def test_python_m_without_a_file(tmp_path):
    command = [sys.executable, "-m", "instant.devserver", tmp_path / "nothing.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "nothing.json" in done.stderr) == (1, True)


def test_threads_are_gone_afterwards():
    before = threading.active_count()
    with ThreadedDevServer(config()) as server:
        with urllib.request.urlopen(f"{server.url}/health") as response:
            assert response.status == 200
        with pytest.raises(OSError, match="in use"), ThreadedDevServer(config(http_server={"port": server.port})):
            pass
    assert threading.active_count() == before


async def test_connection_limit():
    with ThreadedDevServer(config(client={"connection_limit": 1})) as running:
        server = Server(running.port, "dev")
        async with server.peer():
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                async with server.peer():
                    pass


async def test_protobuf_is_refused(caplog):
    with ThreadedDevServer(config()) as running:
        url = f"{running.url}/connection/websocket"
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
                await http.ws_connect(url, protocols=["centrifuge-protobuf"])
            with pytest.raises(aiohttp.WSServerHandshakeError, match="400"):
                await http.ws_connect(f"{url}?format=protobuf")
    assert "JSON only" in caplog.text


async def test_an_unexpected_error_closes_with_3004(monkeypatch, caplog):
    monkeypatch.setattr("instant.devserver.session.Session._handle", lambda *_: 1 / 0)
    with ThreadedDevServer(config()) as running, caplog.at_level(logging.ERROR):
        async with Server(running.port, "dev").peer(None) as peer:
            await peer.send("{}")
            assert await peer.close_code() == 3004
    assert "ZeroDivisionError" in caplog.text


async def test_a_large_batch_does_not_make_readers_slow():
    with ThreadedDevServer(config(client={"queue_max_size": 100_000})) as running:
        server = Server(running.port, "dev")
        async with server.peer() as peer:
            await peer.ask("subscribe", channel="open:1")
            command = {"publish": {"channel": "open:1", "data": "x" * 1000}}
            replies = (await server.api("batch", commands=[command] * 1000))["replies"]
            assert replies == [{"publish": {}}] * 1000
            for _ in range(1000):
                await peer.push()


@pytest.fixture
def many_files():
    """Let this process have a socket pair a client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * CLIENTS + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} open files, the system allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_thousand_clients_get_one_message_each(many_files):
    command = {"id": 2, "subscribe": {"channel": "open:all"}}
    hello = "\n".join(map(json.dumps, ({"id": 1, "connect": {"token": token()}}, command)))
    # On a busy machine, a client may have to wait for longer than the 0.4 s that the config allows it.
    with ThreadedDevServer(config(client={"stale_close_delay": "60s"})) as running:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            sockets = []
            for _ in range(CLIENTS):
                sockets.append(await http.ws_connect(f"{running.url}/connection/websocket"))
                await sockets[-1].send_str(hello)
            server = Server(running.port, "dev")
            await until(lambda: all_there(server))
            await server.api("publish", channel="open:all", data="hello")
            heard = await asyncio.gather(*(last_line(socket) for socket in sockets))
            await asyncio.gather(*(socket.close() for socket in sockets))
    assert heard == [{"push": {"channel": "open:all", "pub": {"data": "hello"}}}] * CLIENTS


async def all_there(server):
    channels = (await server.api("channels"))["channels"]
    return channels.get("open:all") == {"num_clients": CLIENTS}


async def last_line(socket):
    """Read until the publication."""
    lines = []
    while len(lines) < 3:
        lines += (await socket.receive(PATIENCE)).data.split("\n")
    return json.loads(lines[-1])
