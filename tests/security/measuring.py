"""How long a channel is heard after the right to it has ended: by honest clients, and by hostile ones."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from instant.testing.live_servers import free_port, wait_until_listening
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
#: How each stack serves the site at a port, as arguments of Python.
STACKS = {
    "gunicorn": ["-m", "gunicorn", "tests.security.staffing.servers:wsgi", "--threads=8", "--bind=127.0.0.1:{port}"],
    "uvicorn": ["-m", "uvicorn", "tests.security.staffing.servers:asgi", "--port={port}", "--log-level=warning"],
    "daphne": ["-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", "-v", "0", "tests.security.staffing.servers:asgi"],
}
_numbers = itertools.count(1)
#: So many hostile clients lose their right at once: with more, their tokens would be old when their turn comes.
FEW_AT_ONCE = threading.Semaphore(3)


@dataclass
class Site:
    """A site that runs, with its websockets server."""

    url: str
    stack: str
    is_strict: bool = False

    def causes(self) -> dict[str, dict[str, Any]]:
        """All that ends access here, by name; see `staffing.causes`."""
        found: dict[str, dict[str, Any]] = requests.get(f"{self.url}/causes/", timeout=PATIENCE).json()
        return found

    def post(self, session: requests.Session, path: str, **content: Any) -> requests.Response:
        # A connection that is kept may be closed by the server just when it is used again.
        response = session.post(f"{self.url}/{path}/", json=content, timeout=PATIENCE, headers={"Connection": "close"})
        response.raise_for_status()
        return response


@contextmanager
def running_site(folder: Path, stack: str, server: str, **environment: str) -> Iterator[Site]:
    """Run the site by `stack`, with the websockets server "dev" or "centrifugo", on ports of its own."""
    web, port = free_port(), free_port()
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.security.staffing.settings",
        "PYTHONPATH": str(ROOT),
        "STAFFING_DATABASE": str(folder / "staffing.sqlite3"),
        "STAFFING_PORT": str(port),
        **environment,
    }
    migrate = [sys.executable, "-m", "django", "migrate", "-v", "0"]
    subprocess.run(migrate, env=env, check=True, cwd=folder)
    commands = [
        (["-m", "django", "runws", "--server", server, *(["--insecure-dev"] if server == "dev" else [])], port),
        ([part.format(port=web) for part in STACKS[stack]], web),
    ]
    with ExitStack() as stack_of_processes:
        log = stack_of_processes.enter_context((folder / "log").open("wb"))
        for command, of in commands:
            process = subprocess.Popen([sys.executable, *command], env=env, cwd=folder, stdout=log, stderr=log)
            stack_of_processes.callback(_end, process)
            wait_until_listening(of, process)  # type: ignore[arg-type]
        yield Site(f"http://127.0.0.1:{web}", stack, bool(environment.get("STAFFING_STRICT")))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(PATIENCE)


class Connection:
    """A websocket to the server, and what the server says on it."""

    def __init__(self, url: str, token: str) -> None:
        self.stack = ExitStack()
        self.socket: ClientConnection = self.stack.enter_context(
            connect(url, proxy=None, ping_interval=None)  # type: ignore[call-arg]
        )
        self.ids = itertools.count(1)
        self.pushes: list[dict[str, Any]] = []
        self.waiting: list[str] = []
        try:
            self.client: str = self.ask("connect", {"token": token})["connect"]["client"]
        except BaseException:
            self.close()
            raise

    def ask(self, command: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send a command, and return the answer; a refusal is a `ValueError`."""
        number = next(self.ids)
        self.socket.send(json.dumps({"id": number, command: content}))
        while True:
            reply = self.next(PATIENCE)
            if reply is None:
                raise TimeoutError(command)
            if reply.get("id") == number:
                if "error" in reply:
                    raise ValueError(reply["error"])
                return reply
            self.pushes.append(reply)

    def next(self, timeout: float) -> dict[str, Any] | None:
        """Return what the server says next; None where it says nothing for so long. Pings are answered."""
        if not self.waiting:
            try:
                self.waiting = str(self.socket.recv(timeout)).split("\n")
            except TimeoutError:
                return None
        reply: dict[str, Any] = json.loads(self.waiting.pop(0))
        if not reply:
            self.socket.send("{}")
        return reply

    def is_out(self, channel: str, timeout: float) -> bool:
        """Report whether the server ends the subscription, or the connection, within so many seconds."""
        until = time.monotonic() + timeout
        try:
            while (left := until - time.monotonic()) > 0:
                reply = self.pushes.pop(0) if self.pushes else self.next(left)
                push = (reply or {}).get("push", {})
                if "disconnect" in push or ("unsubscribe" in push and push.get("channel") == channel):
                    return True
        except ConnectionClosed:
            return True
        return False

    def close(self) -> None:
        self.stack.close()


@dataclass
class Victim:
    """A user of the site who is in a channel, in two connections, and from whom it is taken."""

    site: Site
    cause: str
    level: str = "groups"
    in_request: bool = False
    name: str = field(default_factory=lambda: f"v{next(_numbers)}")

    def __post_init__(self) -> None:
        self.browser = requests.Session()
        self.site.post(self.browser, "make", name=self.name, level=self.level)
        self.site.post(self.browser, "enter", name=self.name)
        self.saved = self.credentials()
        self.connection = self.join()

    def credentials(self) -> dict[str, Any]:
        found: dict[str, Any] = self.site.post(self.browser, "instant/get_token", channels=[self.channel]).json()
        return found

    @property
    def channel(self) -> str:
        return f"$desk-{self.name}" if self.level.startswith("rule") else f"${self.name}"

    def connect(self) -> Connection:
        """Connect with the token that was saved."""
        url = self.saved["websocket_url"].replace("http", "ws", 1) + "/connection/websocket"
        return Connection(url, self.saved["ws_token"])

    def join(self) -> Connection:
        """Connect and subscribe with the tokens that were saved."""
        connection = self.connect()
        (token,) = [each["token"] for each in self.saved["channels"] if each["name"] == self.channel]
        try:
            connection.ask("subscribe", {"channel": self.channel, "token": token})
        except BaseException:
            connection.close()  # a user has a limited number of connections
            raise
        return connection

    def end(self) -> float:
        """Take the right away; return when that was committed, by time.time()."""
        if not self.in_request:
            response = self.site.post(requests.Session(), "end", name=self.name, cause=self.cause)
        else:
            path = "aleave" if self.cause == "alogout" else "leave"
            response = self.site.post(self.browser, path, cause=self.cause)
        return float(response.json()["at"])

    def honest(self) -> float:
        """End the right; return how many seconds after the commit an honest client is out."""
        seen: list[float] = []

        def watch() -> None:
            if self.connection.is_out(self.channel, PATIENCE):
                seen.append(time.time())

        watcher = threading.Thread(target=watch)
        watcher.start()
        ended = self.end()
        watcher.join()
        assert seen, f"{self.cause}: still in after {PATIENCE} s"
        self.connection.close()
        return max(seen[0] - ended, 0.0)

    def hostile(self, watch_for: float) -> float:
        """End the right; return how many seconds after the commit a client that comes back with saved tokens was in,
        the last time, in as many seconds as given."""
        with FEW_AT_ONCE, self._saving_tokens():
            ended = self.end()
        last = 0.0
        connection: Connection | None = self.connection
        while (now := time.time() - ended) < watch_for:
            try:
                if connection is None:
                    connection = self.join()
                while not connection.is_out(self.channel, 0.1) and now < watch_for:
                    now = time.time() - ended
                last = time.time() - ended
            except (ValueError, OSError, WebSocketException, TimeoutError):
                time.sleep(0.2)
            if connection is not None:
                connection.close()
                connection = None
        return last

    @contextmanager
    def _saving_tokens(self) -> Iterator[None]:
        """Fetch tokens again and again, and save the last ones with which the channel can be joined."""
        is_over = threading.Event()

        def save() -> None:
            while not is_over.wait(0.05):
                try:
                    found = self.credentials()
                except requests.RequestException:  # nobody is logged in any more
                    return
                if self.channel in [each["name"] for each in found["channels"]]:
                    self.saved = found

        self.saved = self.credentials()
        saver = threading.Thread(target=save)
        saver.start()
        try:
            yield
        finally:
            is_over.set()
            saver.join()
