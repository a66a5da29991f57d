"""kill -9 of the publisher, of the server and of workers, at random, while thousands of messages are on their way.

Nothing that a worker was told to be taken is lost, a page's handlers get no uid twice, and each sender's messages keep
their order in a channel. The page is the JavaScript client, in Node.

What is true depends on what the server has left after it was killed. With INSTANT_ENGINE on Redis its history and the
idempotency keys outlive it, and all of the above holds. With the engine "memory", and with the devserver, they die with
it: what was published while the page was not there is lost, and the page is told so (`recovered` is false); uids and
order hold there, too.

CHAOS=full in the environment has 50,000 messages and 20 kills; CHAOS_SEED repeats the choices of a run, not its timing.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from bisect import bisect
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from pytest_django import Settings

from instant import publish
from instant.backends import go_publisher
from instant.centrifugo.config import render
from instant.models import Channel
from instant.testing.live_servers import free_port
from tests.backends.conftest import alive, binary, go, listener, until  # noqa: F401 - fixtures
from tests.benchmarks import redis
from tests.chaos import SOCKETS, Item, Lines, Worker, page
from tests.conftest import need_server
from tests.faults.parts import Server

pytestmark = [pytest.mark.node, pytest.mark.slow, pytest.mark.django_db]

CHANNELS = [f"$chaos{number}" for number in range(5)]
WORKERS = 3
#: Messages of a channel that the server keeps, and gives back at once: far more than are published while it is away.
HISTORY = 50_000


@dataclass(frozen=True)
class Plan:
    """So many messages are acknowledged, and so many processes of each kind killed meanwhile."""

    messages: int
    server: int
    publisher: int
    worker: int
    #: Seconds for which the server is away.
    down: float

    def kills(self, rng: random.Random) -> deque[tuple[int, str]]:
        """After how many messages to kill what, in order."""
        kinds = ["server"] * self.server + ["publisher"] * self.publisher + ["worker"] * self.worker
        rng.shuffle(kinds)
        moments = rng.sample(range(self.messages // 50, self.messages * 9 // 10), len(kinds))
        return deque(zip(sorted(moments), kinds, strict=True))


FULL = os.environ.get("CHAOS") == "full"
PLAN = (
    Plan(messages=50_000, server=7, publisher=7, worker=6, down=5)
    if FULL
    else Plan(messages=3_000, server=1, publisher=2, worker=1, down=1)
)


@dataclass
class Outcome:
    """What became of the messages, by what workers and the page wrote down."""

    acknowledged: list[Item]
    #: What the page told, in order.
    told: list[list[str]]
    killed: Counter[str]

    @property
    def handled(self) -> list[tuple[str, str, str]]:
        """(uid, channel, text) of what the handlers got."""
        return [(words[1], words[2], words[3]) for words in self.told if words[0] == "handled"]

    @property
    def lost(self) -> list[Item]:
        return sorted(set(self.acknowledged) - {(channel, text) for _, channel, text in self.handled})

    @property
    def lost_silently(self) -> list[Item]:
        """What was lost where the page was not told that it missed something in this channel: between what the same
        sender published before it, and after it."""
        numbers, lines = defaultdict[Item, list[int]](list), defaultdict[Item, list[int]](list)
        warnings = defaultdict[str, list[int]](list)
        for line, (word, *words) in enumerate(self.told):
            if word == "handled":
                sender, number = _parted(words[2])
                numbers[words[1], sender].append(number)
                lines[words[1], sender].append(line)
            elif word == "joined" and words[1] == "false":
                warnings[words[0]].append(line)
        found = []
        for channel, text in self.lost:
            sender, number = _parted(text)
            after = bisect(numbers[channel, sender], number)
            begin, end = [-1, *lines[channel, sender], len(self.told)][after : after + 2]
            if not any(begin < line < end for line in warnings[channel]):
                found.append((channel, text))
        return found

    @property
    def again(self) -> list[str]:
        """The uids that came over the socket more than once."""
        return _repeated(words[1] for words in self.told if words[0] == "wire")

    @property
    def doubled(self) -> list[str]:
        """The uids that the handlers got more than once."""
        return _repeated(uid for uid, _, _ in self.handled)

    @property
    def disordered(self) -> list[tuple[str, str, int]]:
        """Where a sender's message came after a later one of its own, or after itself."""
        found, latest = [], dict[Item, int]()
        for _, channel, text in self.handled:
            sender, number = _parted(text)
            before = latest.get((channel, sender), -1)
            if number <= before:
                found.append((channel, text, before))
            latest[channel, sender] = number
        return found

    def __str__(self) -> str:
        kills = ", ".join(f"{kind} {times}" for kind, times in sorted(self.killed.items()))
        return (
            f"killed: {kills}; acknowledged: {len(self.acknowledged)}, handled: {len(self.handled)}; "
            f"again on the wire: {len(self.again)}, handled twice: {len(self.doubled)}, out of order: "
            f"{len(self.disordered)}; lost: {len(self.lost)}, silently: {len(self.lost_silently)}"
        )


def _parted(text: str) -> tuple[str, int]:
    sender, _, number = text.partition(":")
    return sender, int(number)


def _repeated(uids: Iterable[str]) -> list[str]:
    return [uid for uid, times in Counter(uids).items() if times > 1]


class Chaos:
    """The server, the workers and the page of one run, and who kills them."""

    def __init__(self, plan: Plan, rng: random.Random, server: Server, start: Callable[[int], Worker], path: Path):
        self.plan, self.rng, self.server, self.socket = plan, rng, server, path
        self.kills = plan.kills(rng)
        self.killed: Counter[str] = Counter()
        self._start = start
        self.all = [start(number) for number in range(WORKERS)]
        self.living = list(self.all)

    def run(self) -> None:
        while self.kills:
            self._reach(self.kills[0][0])
            self._kill(self.kills.popleft()[1])
        self._reach(self.plan.messages)
        for worker in self.living:
            assert worker.end() == 0, worker.said.read_text()

    def acknowledged(self) -> list[Item]:
        return [item for worker in self.all for item in worker.acknowledged]

    def close(self) -> None:
        for worker in self.living:
            worker.kill()

    def _reach(self, messages: int) -> None:
        until(lambda: self._count() >= messages, 120)

    def _count(self) -> int:
        for worker in self.living:
            assert not worker.ended, worker.said.read_text()
        return sum(len(worker.lines()) for worker in self.all)

    def _kill(self, kind: str) -> None:
        {"server": self._kill_server, "publisher": self._kill_publisher, "worker": self._kill_worker}[kind]()
        self.killed[kind] += 1

    def _kill_server(self) -> None:
        self.server.kill()
        before = self.rng.uniform(0, self.plan.down)
        time.sleep(before)
        if self.kills and self.kills[0][1] != "server" and self.rng.random() < 0.5:
            self._kill(self.kills.popleft()[1])
        time.sleep(self.plan.down - before)
        self.server.start()

    def _kill_publisher(self) -> None:
        until(lambda: _listening(self.socket))  # the last one may have been killed just now
        pid = listener(self.socket)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))

    def _kill_worker(self) -> None:
        worker = self.living.pop(self.rng.randrange(WORKERS))
        worker.kill()
        self.living.append(self._start(len(self.all)))
        self.all.append(self.living[-1])


def _listening(path: Path) -> bool:
    with suppress(OSError):
        return listener(path) > 0
    return False


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    return seed


@pytest.fixture
def credentials(settings: Settings) -> str:
    """What Django answers to the page, once for the whole run."""
    settings.INSTANT_TOKEN_TTL = settings.INSTANT_CHANNEL_TOKEN_TTL = 3600
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    for name in CHANNELS:
        Channel.objects.create(name=name, level="users")
    browser = Client()
    browser.force_login(User.objects.create_user("ann"))
    return browser.get("/instant/get_token/", headers={"host": "127.0.0.1"}).content.decode()


@pytest.fixture
def engine(request: pytest.FixtureRequest, settings: Settings) -> Iterator[str]:
    with ExitStack() as stack:
        if request.param == "redis":
            if shutil.which("redis-server") is None:
                pytest.skip("Redis: no redis-server on PATH")
            settings.INSTANT_ENGINE = stack.enter_context(redis.running())
        yield request.param


@pytest.fixture
def server(kind: str, engine: str, settings: Settings, credentials: str, tmp_path: Path) -> Iterator[Server]:
    need_server(kind)
    # What has waited for the server is published at one blow, before the page is back: by default (300) it is too much.
    settings.INSTANT_NAMESPACES = {"": {"history_size": HISTORY}}
    config = render()
    config["client"] |= {"recovery_max_publication_limit": HISTORY, "queue_max_size": 1 << 26}
    server = Server(kind, config, tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def reader(server: Server, credentials: str, tmp_path: Path) -> Iterator[Lines]:
    """What a page tells of all channels, which it has joined."""
    if shutil.which("node") is None or not SOCKETS.is_dir():
        pytest.skip("needs node, and the npm packages of frontend/")
    lines = Lines(tmp_path / "page")
    running = page(credentials, lines.path)
    try:
        until(lambda: {channel for channel, _ in _told(lines, "joined")} >= set(CHANNELS))
        yield lines
    finally:
        running.end()


@pytest.fixture
def chaos(reader: Lines, server: Server, engine: str, go: Path, seed: int, tmp_path: Path) -> Iterator[Chaos]:  # noqa: F811
    setup = {
        "binary": str(go_publisher.BINARY),
        "settings": _worker_settings(go),
        "channels": CHANNELS,
        # How much is on its way at most. Where a killed server has forgotten which uids it took, the page alone tells
        # what it got already, by the last 1000: all workers together must stay below.
        "window": 1500 if engine == "redis" else 200,
        "seed": seed,
    }
    running = Chaos(PLAN, random.Random(seed), server, lambda number: Worker(number, tmp_path, **setup), go)
    try:
        yield running
    finally:
        running.close()


def _worker_settings(path: Path) -> dict[str, object]:
    from django.conf import settings

    names = ("CENTRIFUGO_HOST", "CENTRIFUGO_PORT", "INSTANT_NAMESPACES")
    given = {name: getattr(settings, name) for name in names}
    return {**given, "INSTANT_BROADCAST_WITH": "go", "INSTANT_GO_SOCKET": str(path)}


def _told(lines: Lines, kind: str) -> list[list[str]]:
    return [words for word, *words in lines() if word == kind]


def _await_the_end(reader: Lines) -> None:
    """Publish a last message to each channel until it was handled: all that comes in a channel has come before it."""
    deadline, number = time.monotonic() + 60, 0
    with override_settings(INSTANT_BROADCAST_WITH="python"):
        while missing := set(CHANNELS) - {
            channel for _, channel, text in _told(reader, "handled") if text.startswith("end:")
        }:
            assert time.monotonic() < deadline, (missing, reader()[-5:])
            for channel in missing:
                publish(channel, f"end:{number}", timeout=30)
            number += 1
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("kind", "engine"), [("centrifugo", "redis"), ("centrifugo", "memory"), ("dev", "memory")], indirect=["engine"]
)
def test_kills(kind: str, engine: str, chaos: Chaos, reader: Lines, seed: int) -> None:
    started = time.monotonic()
    chaos.run()
    _await_the_end(reader)
    outcome = Outcome(chaos.acknowledged(), reader(), chaos.killed)
    print(f"{kind}, {engine}: {time.monotonic() - started:.1f} s; {outcome}")
    assert chaos.killed == {"server": PLAN.server, "publisher": PLAN.publisher, "worker": PLAN.worker}
    assert len(outcome.acknowledged) >= PLAN.messages
    assert outcome.doubled == []
    assert outcome.disordered == []
    assert _told(reader, "ended") == []
    assert outcome.lost_silently == []
    if engine == "redis":
        assert outcome.lost == []
        assert outcome.again == []
