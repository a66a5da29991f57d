"""A run of the bench: one backend, one fault that is injected repeatedly, and the result for each message."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from instant.backends import go_publisher
from instant.conf import conf
from instant.testing.live_servers import free_port
from tests.centrifugo.test_install import tar_gz
from tests.chaos import Lines
from tests.faults.parts import PATIENCE, Part, Postgres, Publisher, Redis, Server, until
from tests.faults.proxy import FAULTS, LINK_FAULTS, Link, Proxy
from tests.postgres import Cluster

CHANNELS = [f"$faults{number}" for number in range(4)]
#: Publishing processes, and the messages of their largest batch.
WORKERS, WINDOW = 2, 200
#: Messages that one call of a signal publishes.
CALL = 50
HISTORY = 200_000
#: Seconds for which a part is suspended, and for which a proxy misbehaves.
STOPPED, INJURED = 5.0, 0.5
BACKENDS = ("python", "thread", "go", "outbox", "relay", "calls")
#: Messages per second, if the workers could publish more than arrives.
FASTEST = {"relay": 1500.0, "outbox": 3000.0, "calls": 1000.0}
#: The server's own consumer of the outbox does not use its HTTP API.
_BY_HTTP = ("python", "thread", "go", "relay", "calls")
#: Backends that retry the messages for which the server answered 100, after the others of their batch.
_RETRY_ALONE = ("thread", "go", "relay")
#: Bytes that a file of the database may have on a "full disk". PostgreSQL ends if it cannot write its log, whose files
#: have 16 MB from the beginning.
FULL = 17 << 20


_OWN_PARTS = {
    "go": ["Go publisher"],
    "outbox": ["PostgreSQL"],
    "relay": ["relay", "PostgreSQL"],
    "calls": ["Celery worker"],
}


@dataclass(frozen=True)
class Pair:
    """`backend` is one of BACKENDS, or "installws".

    "relay" is the outbox with `relayoutbox`, "outbox" is the outbox with the server's consumer, "calls" are functions
    of signals in Celery's workers.
    """

    backend: str
    part: str
    fault: str

    def __str__(self) -> str:
        return f"{self.backend}, {self.part} {self.fault}"

    @property
    def needs_centrifugo(self) -> bool:
        """The devserver keeps nothing when it is killed, and uses neither Redis nor the outbox."""
        is_harmed = self.part == "Centrifugo" and self.fault in ("killed", "stopped")
        return is_harmed or self.part == "Redis" or self.backend == "outbox"


def pairs() -> list[Pair]:
    """Return all pairs of a backend and a fault that can occur together."""
    found = []
    for backend in BACKENDS:
        parts = ["Centrifugo", "Redis", "Django worker"]
        parts += _OWN_PARTS.get(backend, [])
        found += [Pair(backend, part, fault) for part in parts for fault in ("killed", "stopped")]
        if backend in _BY_HTTP:
            found += [Pair(backend, "Centrifugo", fault) for fault in FAULTS]
        linked = [part for part in ("Redis", "PostgreSQL") if part in parts]
        found += [Pair(backend, part, fault) for part in linked for fault in LINK_FAULTS]
    found += [Pair(backend, "disk", "full") for backend in ("outbox", "relay", "installws")]
    found += [Pair(backend, "clock", fault) for backend in BACKENDS for fault in ("60 s ahead", "60 s behind")]
    return found


@dataclass
class Outcome:
    """Numbers of messages. `taken` were accepted, for `told` an error was reported; the process of `unknown` ended
    before it was known whether they were accepted."""

    taken: int
    told: int
    unknown: int
    lost: int
    doubled: int
    disordered: int
    injected: int
    seconds: float

    def faults(self, pair: Pair) -> list[str]:
        """Return the guarantees that do not hold, as text."""
        found = []
        if pair.part == "disk" and not self.told:
            found.append("the disk was never full")
        # Celery's Redis transport removes a call from the queue before it records who has it.
        is_window = pair.backend == "calls" and (pair.part, pair.fault) in (
            ("Celery worker", "killed"),
            ("Redis", "cut"),
        )
        if self.lost > (self.injected * CALL if is_window else 0):
            found.append(f"{self.lost} messages are lost that publish() had taken")
        is_suspended = (pair.part, pair.fault) == ("Centrifugo", "stopped")
        # A call runs again if it has not ended within the broker's visibility timeout (3 seconds here), or if the
        # broker does not learn that it has ended.
        runs_again = pair.backend == "calls" and (pair.part in ("Celery worker", "Redis") or is_suspended)
        if self.doubled and not runs_again:
            found.append(f"{self.doubled} messages are there twice")
        # The server answers 100 while it cannot use Redis, and after it was suspended for longer than its timeout for
        # Redis.
        has_error_100 = pair.part == "Redis" or is_suspended
        if self.disordered and not (has_error_100 and pair.backend in _RETRY_ALONE):
            found.append(f"{self.disordered} messages came too late")
        return found


class World:
    """The parts of one run."""

    def __init__(self, pair: Pair, kind: str, folder: Path, stack: ExitStack, rate: float) -> None:
        self.pair, self.folder, self._stack = pair, folder, stack
        #: Seconds between two batches of a worker.
        self.pause = WINDOW / 2 * WORKERS / rate
        self.logs: list[Lines] = []
        self.parts: dict[str, Any] = {}
        self.settings: dict[str, Any] = {
            "CENTRIFUGO_HOST": "http://127.0.0.1",
            "CENTRIFUGO_PORT": free_port(),
            "INSTANT_NAMESPACES": {"": {"history_size": HISTORY}},
            "INSTANT_BROADCAST_WITH": "outbox" if pair.backend == "relay" else pair.backend,
            "INSTANT_GO_SOCKET": str(folder / "publisher" / "p.sock"),
        }
        if pair.backend == "calls":
            self.settings |= {"INSTANT_BROADCAST_WITH": "python", "INSTANT_WINDOWS": True}
        (folder / "publisher").mkdir(mode=0o700)
        self.proxy: Proxy | Link | None = None
        if kind == "centrifugo" or pair.backend == "calls":
            redis = Redis(folder)
            self._run("Redis", redis)
            self.broker = f"redis://127.0.0.1:{self._linked('Redis', redis.port)}"
        if kind == "centrifugo":
            self.settings["INSTANT_ENGINE"] = self.broker
        self._make_database()
        self.server = Server(kind, self._config(), folder)
        self._run("Centrifugo", self.server)
        if pair.part == "Centrifugo" and pair.fault in FAULTS:
            self.proxy = Proxy(self.server.port)
            self._stack.callback(self.proxy.close)
            self.settings["CENTRIFUGO_PORT"] = self.proxy.port
        if pair.backend == "go":
            self.parts["Go publisher"] = Publisher(Path(self.settings["INSTANT_GO_SOCKET"]))
            self._stack.callback(self.parts["Go publisher"].end)
        if pair.backend == "relay":
            self._run("relay", self._part("relay", folder / "relay.log"))
        if pair.backend == "calls":
            command = [sys.executable, "-m", "celery", "-A", "tests.faults.site", "worker", "-Q", "faults", "-c", "2"]
            self._run(
                "Celery worker", self._part([*command, "--without-gossip", "--without-mingle"], folder / "celery.log")
            )
        self.workers = [self._worker() for _ in range(WORKERS)]

    def _config(self) -> dict[str, Any]:
        self._do("render")
        config: dict[str, Any] = json.loads((self.folder / "rendered.json").read_text())
        if self.pair.backend == "relay":
            config.pop("consumers", None)  # on PostgreSQL the server would deliver, too
        return config

    def _make_database(self) -> None:
        if self.pair.backend == "outbox" or self.pair.part == "PostgreSQL":
            # Not in the folder of the run, which PostgreSQL's own user may not enter.
            cluster = Cluster(Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="instant-faults-"))))
            cluster.start()
            self._stack.callback(cluster.stop)
            database = {key: value for key, value in cluster.settings(cluster.create()).items() if key != "TEST"}
            database["PORT"] = str(self._linked("PostgreSQL", cluster.port))
            self.parts["PostgreSQL"] = Postgres(cluster)
        elif self.pair.backend == "relay":
            name = str(self.folder / "db.sqlite3")
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {"timeout": 30}}
        else:
            return
        self.settings["DATABASES"] = {"default": database}
        self._do("migrate")

    def _linked(self, part: str, port: int) -> int:
        """Return the port at which everybody uses the part: its own, or that of a proxy if the pair needs one."""
        if (self.pair.part, self.pair.fault in LINK_FAULTS) != (part, True):
            return port
        self.proxy = link = self._stack.enter_context(Link(port))
        return link.port

    def _do(self, role: str) -> None:
        part = self._part(role, self.folder / f"{role}.log")
        part.start()
        assert part.end(0) == 0, part.log.read_text()

    def _run(self, name: str, part: Part) -> None:
        part.start()
        self._stack.callback(part.end)
        self._stack.callback(part.resume)
        self.parts[name] = part

    def _part(self, role: str | list[str], log: Path, **setup: Any) -> Part:
        setup |= {"settings": self.settings, "binary": str(go_publisher.BINARY), "full": str(self.folder / "full")}
        setup["config"] = str(self.folder / "rendered.json")
        if self.pair.backend == "calls":
            setup["broker"] = self.broker
        if self.pair.part == "clock":
            setup["clock"] = 60 if "ahead" in self.pair.fault else -60
        command = [sys.executable, "-m", "tests.faults.site", role] if isinstance(role, str) else role
        return Part(command, log, _environment(setup))

    def _worker(self) -> Part:
        number = len(self.logs)
        told = self.folder / f"told-{number}"
        ways = {"relay": "outbox"}.get(self.pair.backend, self.pair.backend)
        ways = "disk" if self.pair.part == "disk" else ways
        role, window = ("calls", CALL) if self.pair.backend == "calls" else ("worker", WINDOW)
        setup = {"told": str(told), "number": number, "channels": CHANNELS, "ways": ways, "window": window}
        setup["pause"] = self.pause
        self.logs.append(Lines(told))
        part = self._part(role, self.folder / f"worker-{number}.log", worker=setup)
        part.start()
        self._stack.callback(part.end, 0)
        self._stack.callback(part.resume)
        return part

    def count(self) -> int:
        for worker in self.workers:
            assert worker.child is not None
            assert worker.child.poll() is None, worker.log.read_text()[-3000:]
        return sum(len(lines()) for lines in self.logs)

    def inject(self, rng: random.Random, stopped: float) -> None:
        pair = self.pair
        if self.proxy is not None:
            self.proxy.fault = pair.fault
            before = self.proxy.injured
            until(lambda: self.proxy.injured > before, "no request was met")
            time.sleep(INJURED)
            self.proxy.fault = None
        elif pair.part == "clock":
            time.sleep(0.1)
        elif pair.part == "disk":
            with self._full_disk():
                time.sleep(INJURED)
        elif pair.part == "Django worker":
            index = rng.randrange(WORKERS)
            self._harm(self.workers[index], stopped)
            if pair.fault == "killed":
                self.workers[index] = self._worker()
        else:
            self._harm(self.parts[pair.part], stopped)

    @contextmanager
    def _full_disk(self) -> Iterator[None]:
        """The workers see the file `full`: they limit SQLite's database, and send more than fits into PostgreSQL's."""
        full = self.folder / "full"
        full.touch()
        database = self.parts.get("PostgreSQL")
        if database is not None:
            database.limit_files(FULL)
            before = len(self.told("E"))
            until(lambda: len(self.told("E")) > before, "the database has space for everything")
        yield
        if database is not None:
            database.limit_files(None)
        full.unlink()

    def _harm(self, part: Any, stopped: float) -> None:
        if self.pair.fault == "killed":
            part.kill()
            if self.pair.part != "Django worker":
                time.sleep(0.2)
                part.start()
            return
        part.suspend()
        time.sleep(stopped)
        part.resume()

    def finish(self) -> None:
        """Tell the workers to end, and wait until their queues are empty."""
        for worker in self.workers:
            assert worker.end(0) == 0, worker.log.read_text()[-3000:]
        if (self.pair.backend, self.pair.part) == ("calls", "Redis"):
            # Celery's worker may end, or stop consuming, when Redis restarts; a process manager restarts it.
            self.parts["Celery worker"].end()
            self.parts["Celery worker"].start()

    def told(self, word: str) -> list[tuple[str, str]]:
        """Return the channels and texts of the messages with this result."""
        return [(channel, text) for lines in self.logs for kind, channel, text in lines() if kind == word]

    def failed_in_calls(self) -> set[tuple[str, str]]:
        """Return the messages of calls that were accepted, and in which publishing raised an error."""
        files = self.folder.glob("failed-*")
        return {(channel, text) for file in files for _, channel, text in Lines(file)()}

    def arrived(self) -> dict[str, list[str]]:
        """The texts in each channel's history, in order."""
        found = {}
        for channel in CHANNELS:
            answer = requests.post(
                f"http://127.0.0.1:{self.server.port}/api/history",
                json={"channel": channel, "limit": -1},
                headers={"X-API-Key": conf.api_key},
                timeout=PATIENCE,
            ).json()
            found[channel] = [each["data"]["message"] for each in answer["result"].get("publications") or []]
        return found


@contextmanager
def world(pair: Pair, kind: str, folder: Path, rate: float) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(pair, kind, folder, stack, rate)


def run(pair: Pair, kind: str, folder: Path, messages: int, injections: int, stopped: float = STOPPED) -> Outcome:
    """Publish `messages` messages, inject the fault `injections` times meanwhile, and search for each message.

    `stopped` is for how many seconds a part is suspended.

    Raises:
        AssertionError: a part did not do what the bench needs; its log is in the folder.
    """
    if pair.backend == "installws":
        return install(folder)
    rng, started = random.Random(str(pair)), time.monotonic()
    # What is published while a part is suspended must not be far more than was asked for.
    rate = FASTEST.get(pair.backend, 1e4)
    if pair.fault == "stopped":
        rate = min(rate, 2 * messages / (injections * stopped))
    with world(pair, kind, folder, rate) as running:
        for number in range(1, injections + 1):
            until(lambda goal=messages * number // (injections + 1): running.count() >= goal, "no messages are taken")
            running.inject(rng, stopped)
        until(lambda: running.count() >= messages, "no messages are taken")
        running.finish()
        accepted = running.told("A")
        missing = _patiently(running, set(accepted))
        arrived = running.arrived()
        failed = running.failed_in_calls()
        taken = [item for item in accepted if item not in failed]
        told = [*running.told("E"), *failed]
    counts = Counter((channel, text) for channel, texts in arrived.items() for text in texts)
    return Outcome(
        taken=len(taken),
        told=len(told),
        unknown=len(set(counts) - set(taken) - set(told)),
        lost=missing,
        doubled=sum(1 for times in counts.values() if times > 1),
        disordered=_disordered(arrived, set(taken), CALL if pair.backend == "calls" else None),
        injected=injections,
        seconds=round(time.monotonic() - started, 1),
    )


def _patiently(running: World, taken: set[tuple[str, str]]) -> int:
    """Wait while missing messages arrive, and return how many are still missing after that."""
    # With Redis, Celery's workers search for the calls of ended workers every 100 seconds.
    patience = 150 if running.pair.backend == "calls" else PATIENCE
    missing, deadline = len(taken), time.monotonic() + patience
    while missing and time.monotonic() < deadline:
        time.sleep(0.5)
        there = {(channel, text) for channel, texts in running.arrived().items() for text in texts}
        there |= running.failed_in_calls()
        if len(taken - there) < missing:
            missing, deadline = len(taken - there), time.monotonic() + patience
    return missing


def _disordered(arrived: dict[str, list[str]], taken: set[tuple[str, str]], call: int | None) -> int:
    """Return how many came after a later message of the same sender, in a channel.

    Messages for which an error was reported may come at any time. Calls run in parallel: if `call` is a number, each
    group of that many messages has its own order.
    """
    found = 0
    for channel, texts in arrived.items():
        latest: dict[str, int] = {}
        for text in dict.fromkeys(texts):
            if (channel, text) not in taken:
                continue
            sender, _, number = text.partition(":")
            if call:
                sender += f":{int(number) // call}"
            found += int(number) < latest.get(sender, -1)
            latest[sender] = max(latest.get(sender, -1), int(number))
    return found


def install(folder: Path) -> Outcome:
    """Run `installws` on a full disk: it must fail with a clear error, and keep the version that is installed."""
    place = folder / "centrifugo"
    place.mkdir()
    (place / "centrifugo").write_bytes(b"the old one")
    archive = folder / "centrifugo_6.9.1_linux_amd64.tar.gz"
    archive.write_bytes(tar_gz(("centrifugo", os.urandom(1 << 21))))
    started = time.monotonic()
    setup = {"settings": {}, "install": {"source": str(archive), "dir": str(place), "force": True}}
    part = Part([sys.executable, "-m", "tests.faults.site", "install"], folder / "log", _environment(setup))
    part.start()
    status, said = part.end(0), part.log.read_text()
    assert "CommandError: Cannot write to" in said, said
    return Outcome(
        taken=0,
        told=int(status == 1),
        unknown=0,
        lost=int((place / "centrifugo").read_bytes() != b"the old one"),
        doubled=len(list(place.iterdir())) - 1,
        disordered=0,
        injected=1,
        seconds=round(time.monotonic() - started, 1),
    )


def _environment(setup: dict[str, Any]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**kept, "FAULTS": json.dumps(setup)}
