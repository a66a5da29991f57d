"""Each engine of docs/nodes.md with two real nodes: what the page says of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import override_settings

from instant import publish, publish_many
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo import cent_api, engine, offline
from instant.centrifugo.config import render
from instant.exceptions import PublishError
from instant.models import Channel
from instant.protocol import REVOKED_CODE
from instant.testing import LiveServer
from instant.testing.live_servers import free_port, wait_until_listening
from tests.clients import SyncClient
from tests.conftest import need_server
from tests.postgres import Cluster, cluster  # noqa: F401 - a fixture
from tests.tcp_proxies import Cable
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.slow
#: The code with which the server unsubscribes clients.
SERVER_UNSUBSCRIBED = 2000


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name}: not on PATH")
    return found


class Parts:
    """Programs that end with the test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        #: By port.
        self.children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, *command: object, port: int) -> None:
        with (self.folder / "log").open("ab") as log:
            child = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, cwd=self.folder)
        self._stack.callback(child.wait, PATIENCE)
        self._stack.callback(child.terminate)
        wait_until_listening(port, child)
        self.children[port] = child

    def redis(self, *options: object, tls: int | None = None, port: int | None = None) -> int:
        """Start a Redis, and return its port; `tls` is one that speaks TLS, and then it has no other."""
        port, folder = tls or port or free_port(), self.folder / f"redis-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        command = [program("redis-server"), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        self.start(*command, "--port", 0 if tls else port, *options, port=port)
        return port

    def run(self, *command: object) -> str:
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, cwd=self.folder, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def one_redis(parts: Parts, request: pytest.FixtureRequest) -> str:
    return f"redis://127.0.0.1:{parts.redis()}/0"


def shards(parts: Parts, request: pytest.FixtureRequest) -> str:
    return f"redis://127.0.0.1:{parts.redis()},redis://127.0.0.1:{parts.redis()}"


def tls(parts: Parts, request: pytest.FixtureRequest) -> str:
    """A certificate of our own, of which the server learns as every Go program does."""
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    parts.run(
        program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "cert", *subject
    )
    request.getfixturevalue("monkeypatch").setenv("SSL_CERT_FILE", str(parts.folder / "cert"))
    files = [
        "--tls-cert-file",
        parts.folder / "cert",
        "--tls-key-file",
        parts.folder / "key",
        "--tls-auth-clients",
        "no",
    ]
    port = free_port()
    parts.redis("--tls-port", port, *files, tls=port)
    return f"rediss://127.0.0.1:{port}"


def sentinel(parts: Parts, request: pytest.FixtureRequest) -> str:
    return watched(parts, parts.redis())


def watched(parts: Parts, master: int) -> str:
    """Return the address of a Sentinel that watches the Redis at this port."""
    port, config = free_port(), parts.folder / "sentinel.conf"
    config.write_text(
        f"bind 127.0.0.1\nport {port}\nsentinel monitor mymaster 127.0.0.1 {master} 1\n"
        "sentinel down-after-milliseconds mymaster 1000\n"
    )
    parts.start(program("redis-server"), config, "--sentinel", port=port)
    return f"redis+sentinel://127.0.0.1:{port}?sentinel_master_name=mymaster"


def in_cluster(parts: Parts, request: pytest.FixtureRequest) -> str:
    return redis_cluster(parts, replicas=0)


def redis_cluster(parts: Parts, replicas: int) -> str:
    """Return the address of a Redis Cluster of three masters, with so many replicas each."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", 1000]
    ports = [parts.redis(*options, "--cluster-port", free_port()) for _ in range(3 * (1 + replicas))]
    nodes = [f"127.0.0.1:{port}" for port in ports]
    parts.run(program("redis-cli"), "--cluster", "create", *nodes, "--cluster-yes", "--cluster-replicas", str(replicas))
    for port in ports:
        wait_until("cluster_state:ok", parts, port, "cluster", "info")
    addresses = "&".join(f"addr={node}" for node in nodes[1:])
    return f"redis+cluster://{nodes[0]}?{addresses}"


def nats(parts: Parts, request: pytest.FixtureRequest) -> str:
    port = free_port()
    parts.start(program("nats-server"), "-a", "127.0.0.1", "-p", port, port=port)
    return f"nats://127.0.0.1:{port}"


def postgresql(parts: Parts, request: pytest.FixtureRequest) -> str:
    server: Cluster = request.getfixturevalue("cluster")
    name = server.create()
    request.addfinalizer(lambda: server.drop(name))
    return f"postgresql://{server.user}:p%40ss%3Aw%2Ford%25@127.0.0.1:{server.port}/{name}"


ENGINES = [one_redis, shards, tls, sentinel, in_cluster, nats, postgresql]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    need_server("centrifugo")
    with ExitStack() as stack:
        yield Parts(tmp_path, stack)


@contextmanager
def running(address: str, folder: Path) -> Iterator[list[LiveServer]]:
    """Run two nodes; Django publishes to the first."""
    with ExitStack() as stack:
        stack.enter_context(offline.with_server())
        stack.enter_context(override_settings(INSTANT_ENGINE=address))
        servers = []
        for number in range(2):
            server = LiveServer("centrifugo", render(port=free_port()), folder / f"node-{number}.log")
            server.start()
            stack.callback(server.stop)
            servers.append(server)
        stack.enter_context(override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=servers[0].port))
        yield servers


@pytest.fixture(params=ENGINES, ids=lambda made: made.__name__)
def nodes(parts: Parts, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[LiveServer]]:
    make: Callable[[Parts, pytest.FixtureRequest], str] = request.param
    with running(make(parts, request), tmp_path) as servers:
        yield servers


def test_two_nodes_work_as_one(nodes: list[LiveServer]) -> None:
    """Messages of 20 channels come in order and once, and a disconnect; so do recovery and presence, where promised."""
    user, channels = User(pk=7, username="ann"), [f"room{number}" for number in range(20)]
    with Cable(nodes[1].port) as cable, SyncClient(f"ws://127.0.0.1:{cable.port}", connection_token(user)) as far:
        for name in channels:
            far.join(name, channel_token(name, user))
        sent = [(name, f"{name} {number}") for number in range(25) for name in channels]
        publish_many([{"channel": name, "message": text} for name, text in sent])
        far.wait(lambda: len(far.received) >= len(sent), "for all messages")
        assert in_channels(far.received) == in_channels(sent)
        if engine.has_shared_presence():
            assert [len(clients or []) for clients in cent_api.clients_in(channels).values()] == [1] * 20
        cable.cut()
        publish("room0", "missed")
        cable.mend()
        joined = [f"subscribed {name}" for name in channels]
        far.wait(lambda: all([event for event, _ in far.happened].count(each) == 2 for each in joined), "to be back")
        publish("room0", "last")
        far.wait(lambda: far.texts()[-1:] == ["last"], "for the last message")
        assert far.texts()[len(sent) :] == [*(["missed"] if engine.has_history() else []), "last"]
        cent_api.disconnect_all([("7", "")])
        far.wait_for("disconnected")


@pytest.mark.django_db(transaction=True)
def test_access_ends_on_another_node(nodes: list[LiveServer]) -> None:
    """By an unsubscription if the nodes share presence, else by a disconnection."""
    user, group = User.objects.create(username="ann"), Group.objects.create(name="writers")
    user.groups.add(group)
    Channel.objects.create(name="writers", level="groups").groups.add(group)
    with SyncClient(nodes[1].websocket_url, connection_token(user)) as far:
        far.join("$writers", channel_token("$writers", user))
        user.groups.remove(group)
        if engine.has_shared_presence():
            assert far.wait_for("unsubscribed $writers") == SERVER_UNSUBSCRIBED
        else:
            assert far.wait_for("disconnected") == REVOKED_CODE
        publish("$writers", "secret")
        assert far.texts() == []


def test_a_failover_of_sentinel_loses_and_repeats_nothing(parts: Parts, tmp_path: Path) -> None:
    """Publishing is retried until it succeeds. The node that the client uses subscribes to the new master some time
    after that; the client gets what it missed with the next message, or at the next check of its position (40 s)."""
    user, master = User(pk=7), parts.redis()
    replica = parts.redis("--replicaof", "127.0.0.1", master)
    address = watched(parts, master)
    wait_until("master_link_status:up", parts, replica)
    with running(address, tmp_path) as nodes:
        publish_through_the_death(nodes, user, lambda: parts.children[master].kill())


def test_a_failover_of_a_cluster_loses_and_repeats_nothing(parts: Parts, tmp_path: Path) -> None:
    """As with Sentinel. The master that is killed has the history of the channel."""
    user, address = User(pk=7), redis_cluster(parts, replicas=1)
    replicas = [port for port in parts.children if "role:slave" in info(parts, port, "replication")]
    masters = [port for port in parts.children if port not in replicas]
    assert len(masters) == 3
    for port in replicas:
        wait_until("master_link_status:up", parts, port)

    def kill() -> None:
        (owner,) = [port for port in masters if "stream" in "".join(keys(parts, port))]
        parts.children[owner].kill()

    with running(address, tmp_path) as nodes:
        publish_through_the_death(nodes, user, kill)


def test_a_dead_shard_stops_its_own_channels_only(parts: Parts, tmp_path: Path) -> None:
    """Without `appendonly`, the history of its channels is lost when it starts again."""
    shards = [parts.redis(), parts.redis()]
    with running(",".join(f"redis://127.0.0.1:{port}" for port in shards), tmp_path):
        names = [f"room{number}" for number in range(10)]
        for name in names:
            publish(name, "first")
        hers = [name for name in names if any(name in key for key in keys(parts, shards[0]))]
        others = [name for name in names if name not in hers]
        assert hers
        assert others
        parts.children[shards[0]].kill()
        parts.children[shards[0]].wait()
        for name in others:
            publish(name, "second", timeout=5)
        with pytest.raises(PublishError) as raised:
            publish(hers[0], "second", timeout=5)
        assert raised.value.retryable
        parts.redis(port=shards[0])
        until(lambda: _is_published(hers[0], "third"), "the shard is not used again")
        (last,) = cent_api.call("history", channel=hers[0], limit=-1).publications
        assert last.data["message"] == "third"
        kept = cent_api.call("history", channel=others[0], limit=-1).publications
        assert [each.data["message"] for each in kept] == ["first", "second"]


def _is_published(channel: str, text: str) -> bool:
    try:
        publish(channel, text, timeout=5)
    except PublishError:
        return False
    return True


def publish_through_the_death(nodes: list[LiveServer], user: User, kill: Callable[[], None]) -> None:
    with SyncClient(nodes[1].websocket_url, connection_token(user)) as far:
        far.join("$a", channel_token("$a", user))
        for number in range(100):
            publish("$a", f"before {number}")
        far.wait(lambda: len(far.received) == 100)
        kill()
        sent = [f"before {number}" for number in range(100)]
        deadline = time.monotonic() + PATIENCE
        while len(far.received) < len(sent) or len(sent) < 120:
            assert time.monotonic() < deadline
            with suppress(PublishError):
                publish("$a", f"after {len(sent)}")
                sent.append(f"after {len(sent)}")
            time.sleep(0.05 if len(sent) < 120 else 0.5)
        assert far.texts() == sent
        history = cent_api.call("history", channel="$a", limit=-1)
        assert [each.data["message"] for each in history.publications] == far.texts()


def info(parts: Parts, port: int, *command: str) -> str:
    """Return the answer of the Redis at this port to a command; a single word is a section of `info`."""
    return parts.run(program("redis-cli"), "-p", port, *(command if len(command) > 1 else ("info", *command)))


def keys(parts: Parts, port: int) -> list[str]:
    return info(parts, port, "keys", "*").splitlines()


def wait_until(text: str, parts: Parts, port: int, *command: str) -> None:
    """Wait until the answer of the Redis at this port contains the text."""
    until(lambda: text in info(parts, port, *(command or ("replication",))), f"no {text} at {port}")


def in_channels(messages: Iterable[tuple[str, Any]]) -> dict[str, list[str]]:
    """The texts of each channel, in order."""
    found: dict[str, list[str]] = {}
    for channel, content in messages:
        found.setdefault(channel, []).append(content if isinstance(content, str) else content["message"])
    return found
