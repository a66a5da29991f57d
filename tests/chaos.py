"""The processes of the chaos test: workers that can be killed, and a page that keeps a record.

A worker is this module itself: `python -m tests.chaos SETUP`.
"""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "instant" / "static" / "instant" / "instant.js"
SOCKETS = ROOT / "frontend" / "node_modules" / "ws"

Item = tuple[str, str]

#: A page in Node, with the JavaScript client as Django serves it. A line for each uid that the socket brings, for each
#: message that the handlers get, and for each joining.
PAGE = """
const setup = JSON.parse(process.argv[1]);
const { WebSocket } = require(setup.sockets);
require("node:vm").runInThisContext(require("node:fs").readFileSync(setup.client, "utf8"));
const tell = (...words) => process.stdout.write(words.join(" ") + "\\n");
class Watched extends WebSocket {
  constructor(url) {
    super(url);
    this.on("message", (data) => {
      for (const [, uid] of String(data).matchAll(/"uid":"([^"]+)"/g)) tell("wire", uid);
    });
  }
}
const instant = djangoInstant.useInstant({
  websocket: Watched,
  fetch: () => Promise.resolve(new Response(setup.credentials)),
  minReconnectDelay: 20,
  maxReconnectDelay: 500,
});
instant.on("*", ({ uid, channel, message }) => tell("handled", uid, channel, message));
instant.onSubscribe(({ channel, recovered }) => tell("joined", channel, recovered));
instant.onError((error) => tell("error", JSON.stringify(String(error))));
instant.onDisconnect(({ code }) => tell("ended", code));
process.stdin.on("end", () => process.exit()).resume();
instant.connect();
"""


class Lines:
    """The words of each complete line of a file that grows; whoever writes it may be killed within one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._all: list[list[str]] = []
        self._rest, self._offset = b"", 0

    def __call__(self) -> list[list[str]]:
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
            self._offset += len(data)
            *whole, self._rest = (self._rest + data).split(b"\n")
            self._all += [line.decode().split() for line in whole]
        return self._all


class Process:
    """A program that ends by itself when its stdin is closed, as it is by the end of whoever started it."""

    def __init__(self, command: list[str], said: Path) -> None:
        with said.open("ab") as output:
            self._child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output)

    @property
    def ended(self) -> bool:
        return self._child.poll() is not None

    def kill(self) -> None:
        self._child.kill()
        self.end()

    def end(self) -> int:
        """Have it end by itself, and return its status."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            return self._child.wait(PATIENCE)
        finally:
            self._child.kill()
            self._child.wait()


def page(credentials: str, said: Path) -> Process:
    """Start the page; `credentials` is the answer of get_token, which is the same each time."""
    setup = {"client": str(CLIENT), "sockets": str(SOCKETS), "credentials": credentials}
    return Process(["node", "-e", PAGE, json.dumps(setup)], said)


class Worker(Process):
    """A process that publishes until it is told to end, and writes what was acknowledged to a file."""

    def __init__(self, number: int, folder: Path, **setup: Any) -> None:
        acknowledged, self.said = folder / f"acknowledged-{number}", folder / f"worker-{number}.log"
        setup |= {"number": number, "acknowledged": str(acknowledged)}
        super().__init__([sys.executable, "-W", "error", "-m", "tests.chaos", json.dumps(setup)], self.said)
        self.lines = Lines(acknowledged)

    @property
    def acknowledged(self) -> list[Item]:
        return [(channel, text) for channel, text in self.lines()]


# what a worker does


def _main(
    number: int,
    acknowledged: str,
    binary: str,
    settings: Mapping[str, Any],
    channels: list[str],
    window: int,
    seed: int,
) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.conf import settings as of_django

    for name, value in settings.items():
        setattr(of_django, name, value)
    django.setup()
    from instant.backends import go_publisher

    go_publisher.BINARY = Path(binary)
    # Not buffered: SIGKILL leaves what was written.
    file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    rng, numbers = random.Random(f"{seed} {number}"), count()
    ways: list[Callable[[list[Item]], Iterable[list[Item]]]] = [_one_by_one, _flushed, _many]
    while not select.select([sys.stdin], [], [], 0)[0]:
        items = [(rng.choice(channels), f"{number}:{next(numbers)}") for _ in range(rng.randint(1, window))]
        for taken in rng.choice(ways)(items):
            os.write(file, b"".join(f"{channel} {text}\n".encode() for channel, text in taken))


def _one_by_one(items: list[Item]) -> Iterator[list[Item]]:
    """Wait for each; not for all, as that is slow."""
    from instant import publish

    for channel, text in items[:20]:
        publish(channel, text, wait=True, timeout=PATIENCE)
        yield [(channel, text)]


def _flushed(items: list[Item]) -> Iterator[list[Item]]:
    from instant import flush, publish
    from instant.backends import get_backend
    from instant.backends.queueing import QueueingBackend

    for index, (channel, text) in enumerate(items):
        publish(channel, text, data="x" * (index % 300))
    assert flush(PATIENCE), "no answer in time"
    backend = get_backend()
    assert isinstance(backend, QueueingBackend)
    assert backend.figures().failed == 0, "see the log"
    yield items


def _many(items: list[Item]) -> Iterator[list[Item]]:
    from instant import publish_many

    publish_many([{"channel": channel, "message": text} for channel, text in items], wait=True, timeout=PATIENCE)
    yield items


if __name__ == "__main__":
    _main(**json.loads(sys.argv[1]))
