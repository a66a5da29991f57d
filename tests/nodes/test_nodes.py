"""`runws --nodes 3` on one Redis, behind nginx as in docs/nodes.md; a node is killed while messages are on their way.

NODES=full in the environment has 300 clients.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, User
from django.test import override_settings

from instant import publish, publish_many
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo import cent_api, offline
from instant.centrifugo.process import require_free_port
from instant.conf import conf
from instant.exceptions import ServerFailed
from instant.models import Channel
from instant.testing.live_servers import free_port, wait_until_listening
from tests import nginx
from tests.benchmarks import redis
from tests.conftest import need_server
from tests.management.test_runws import Site
from tests.nodes.clients import reading, until
from tests.snippets import ROOT, snippets
from tests.waiting import FACTOR

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
CLIENTS = 300 if os.environ.get("NODES") == "full" else 60
NODES = 3


@dataclass
class Nodes:
    """The ports of nginx, for browsers and for Django, and those of the nodes."""

    site: Site
    browsers: int
    django: int
    own: list[int]

    def pid(self, number: int) -> int:
        """The process of a node, by the port in its config file."""
        assert self.site.process is not None
        children = Path(f"/proc/{self.site.process.pid}/task/{self.site.process.pid}/children").read_text().split()
        for child in children:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if json.loads(Path(words[2].decode()).read_text())["http_server"]["port"] == self.own[number]:
                return int(child)
        raise AssertionError(f"no node {number} among {children}")

    def clients(self) -> list[int]:
        """How many clients each node has."""
        answer = requests.post(
            f"http://127.0.0.1:{self.django}/api/info", json={}, headers={"X-API-Key": conf.api_key}, timeout=30
        ).json()
        return sorted(node["num_clients"] for node in answer["result"]["nodes"])

    @contextmanager
    def at(self, port: int) -> Iterator[None]:
        with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=port):
            yield


def ports() -> list[int]:
    """So many ports in a row that are free."""
    while True:
        first = free_port()
        try:
            for port in range(first + 1, first + NODES):
                require_free_port("127.0.0.1", port)
        except ServerFailed:
            continue
        return list(range(first, first + NODES))


def nginx_block(own: list[int], browsers: int, django: int) -> str:
    (block,) = [snippet.text for snippet in snippets(ROOT / "docs/nodes.md") if snippet.language == "nginx"]
    for documented, port in zip((8427, 8428, 8429), own, strict=True):
        block = block.replace(f"10.0.0.7:{documented}", f"127.0.0.1:{port}")
    block = block.replace("listen 443;", f"listen 127.0.0.1:{browsers};").replace(
        "10.0.0.7:8426", f"127.0.0.1:{django}"
    )
    assert "10.0.0.7" not in block
    return block


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    need_server("centrifugo")
    if shutil.which("redis-server") is None:
        pytest.skip("Redis: no redis-server on PATH")
    nginx.need_nginx()
    with ExitStack() as stack:
        stack.enter_context(offline.with_server())
        address = stack.enter_context(redis.running())
        own, browsers, django = ports(), free_port(), free_port()
        given = {"SECRET_KEY": django_settings.SECRET_KEY, "INSTANT_ENGINE": address, "CENTRIFUGO_PORT": own[0]}
        site = Site(tmp_path, **given)
        site.port = own[-1]
        stack.callback(site.end, signal.SIGTERM)
        site.start("--server", "centrifugo", "--nodes", str(NODES))
        for port in own:
            wait_until_listening(port)
        stack.enter_context(nginx.running(tmp_path, nginx_block(own, browsers, django), browsers))
        running = Nodes(site, browsers, django, own)
        with override_settings(INSTANT_ENGINE=address), running.at(django):
            yield running


def test_a_node_is_killed_under_load(nodes: Nodes, record_property: Callable[[str, Any], None]) -> None:
    group = Group.objects.create(name="readers")
    Channel.objects.create(name="nodes", level="groups").groups.add(group)
    users = User.objects.bulk_create(User(username=f"user{number}") for number in range(CLIENTS))
    group.user_set.set(users)
    tokens = [(connection_token(user), channel_token("$nodes", user)) for user in users]
    sent: list[str] = []
    with reading(f"ws://127.0.0.1:{nodes.browsers}", "$nodes", tokens) as readers:
        until(lambda: min(nodes.clients()) >= CLIENTS // NODES // 2, "not all nodes have clients")  # told every 3 s
        for number, port in enumerate(nodes.own):
            with nodes.at(port):
                texts = [f"node {number} {index}" for index in range(50)]
                publish_many([{"channel": "$nodes", "message": text} for text in texts])
                sent += texts
        over, load = threading.Event(), threading.Thread(target=lambda: publish_until(over, sent))
        load.start()
        os.kill(nodes.pid(1), signal.SIGKILL)
        until(lambda: not all(reader.joined for reader in readers), "nobody has lost the node")
        back = until(lambda: all(reader.joined for reader in readers), "not all are back")
        over.set()
        load.join()
        record_property("seconds until all were back", back)
        print(f"{CLIENTS} clients were back after {back:.2f} s; {len(sent)} messages")
        assert back < 5 * FACTOR  # as docs/nodes.md promises
        until(lambda: all(len(reader.texts) >= len(sent) for reader in readers), "messages are missing")
        assert [reader.texts for reader in readers if reader.texts != sent] == []
        assert sum(reader.unrecovered for reader in readers) == 0
        present = {client.user for client in (cent_api.clients_in(["$nodes"])["$nodes"] or [])}
        assert present == {str(user.pk) for user in users}
        # The other nodes wait for one that was killed for some seconds yet; nobody stays in for that.
        group.user_set.remove(users[7])
        until(lambda: readers[7].over, "the user is still in")
        until(lambda: len(nodes.clients()) == NODES, "the node is not there again")
        assert [index for index, reader in enumerate(readers) if reader.over] == [7]


def publish_until(over: threading.Event, sent: list[str]) -> None:
    """Publish one after the other, by nginx; a failure would be one of its `proxy_next_upstream`."""
    number = 0
    while not over.wait(0.005):
        text = f"load {number}"
        publish("$nodes", text, timeout=10)
        sent.append(text)
        number += 1
