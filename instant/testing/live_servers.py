"""A live server for tests: the devserver, or Centrifugo."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from django.test import override_settings

from ..centrifugo import offline, process
from ..centrifugo.binary import find_binary
from ..centrifugo.config import render
from ..exceptions import ServerFailed

#: Seconds that a server may take to start.
START_TIMEOUT = 30
#: Seconds to wait for the thread that repeats revocations, after its server has stopped.
THREAD_TIMEOUT = 10
#: Ports for `free_port`.
_SERVER_PORTS = range(20_000, 32_000)


class LiveServer:
    """A server for tests. Django uses `url`, clients use `websocket_url`; `stop()` and `start()` simulate an outage."""

    def __init__(self, kind: Literal["dev", "centrifugo"], config: Mapping[str, Any], log: Path | None = None) -> None:
        self.kind, self.config, self.log = kind, config, log
        self.port: int = config["http_server"]["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.websocket_url = f"ws://127.0.0.1:{self.port}"
        self._stack = ExitStack()

    def start(self) -> None:
        """Start the server, and wait until it listens.

        Raises:
            ServerFailed: the server does not start within START_TIMEOUT seconds.
            ServerNotFound: Centrifugo is not installed.
        """
        try:
            self._start()
        except BaseException:  # otherwise later tests would send requests to a real server
            self.stop()
            raise

    def _start(self) -> None:
        self._stack.enter_context(offline.with_server())
        if self.kind == "dev":
            from ..devserver.thread import ThreadedDevServer

            self._stack.enter_context(ThreadedDevServer(self.config))
            return
        path = self._stack.enter_context(process.config_file(self.config))
        output = self._stack.enter_context(self.log.open("ab")) if self.log else subprocess.DEVNULL
        command: list[str | Path] = [find_binary(), "-c", path]
        child = subprocess.Popen(command, stdout=output, stderr=output, env=process.environment())  # noqa: S603
        self._stack.callback(process.end, child)
        try:
            wait_until_listening(self.port, child)
        except ServerFailed as error:
            raise ServerFailed(f"The {self.kind} server did not start: {error}") from error

    def stop(self) -> None:
        """Stop the server. It disconnects all clients."""
        self._stack.close()


def wait_until_listening(port: int, child: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a program listens on this port of 127.0.0.1.

    Raises:
        ServerFailed: no program listens within START_TIMEOUT seconds, or `child`, the expected program, has exited.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and (child is None or child.poll() is None):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise ServerFailed(f"No program listens on 127.0.0.1:{port}. The log of the server may say why.")


@contextmanager
def live_server(
    kind: Literal["dev", "centrifugo"] = "dev",
    *,
    log: Path | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[LiveServer]:
    """Run a server on a free port while the block runs. Django's settings then contain its address.

    `options` are merged into the server's config, section by section: `{"client": {"ping_interval": "1s"}}`. `log` is a
    file for the log of Centrifugo.

    Raises:
        ServerNotFound: Centrifugo is not installed.
        ServerFailed: the server does not start.
    """
    port = free_port()
    with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=port):
        config = render(port=port)
        for section, values in (options or {}).items():
            config[section] = {**config.get(section, {}), **values}
        server = LiveServer(kind, config, log)
        server.start()
        try:
            yield server
        finally:
            server.stop()
            _end_repeating()


def _end_repeating() -> None:
    """End the thread that repeats revocations, which would keep Django from dropping the test database."""
    repeating = sys.modules.get("instant.revocation.repeating")
    if repeating is not None:
        repeating.end(THREAD_TIMEOUT)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens now.

    By default, Linux, macOS and Windows use other ports for outgoing connections. So no connection occupies the port
    before the server starts.

    Raises:
        ServerFailed: none of the ports that were tried is free.
    """
    for port in random.SystemRandom().sample(_SERVER_PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerFailed(f"No free port was found from {_SERVER_PORTS.start} to {_SERVER_PORTS.stop - 1}.")
