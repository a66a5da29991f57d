"""Run the server with its config, in the foreground."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from ..conf.settings import Settings
from ..exceptions import ServerFailed
from ..secret_text import masked
from .binary import require_version_6
from .config_reloading import Reloading

logger = logging.getLogger("instant")

#: Seconds that the server gets to close its connections before it is killed.
STOP_TIMEOUT = 35
#: Seconds between two looks whether all nodes are there, and before one is started anew.
LOOK, RESTART_PAUSE = 0.1, 1.0


def environment() -> dict[str, str]:
    """Return our environment without the names of Django's settings: the server takes CENTRIFUGO_… for its own."""
    ours = {name for name in vars(Settings) if name.startswith("CENTRIFUGO_")}
    return {name: value for name, value in os.environ.items() if name not in ours}


@contextmanager
def config_file(config: Mapping[str, Any]) -> Iterator[Path]:
    """Write the config to a file that only this user can read, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="instant-") as folder:
        path = Path(folder) / "config.json"
        _write(path, config)
        yield path


def _write(path: Path, config: Mapping[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2))


def check_config(binary: Path, path: Path) -> None:
    """Let the server judge its config.

    Raises:
        ServerFailed: it refuses it; the text says why.
    """
    done = subprocess.run([binary, "checkconfig", "-c", path], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = masked(_message(lines[-1])) if lines else "no reason given"
        raise ServerFailed(f"Centrifugo refuses its config: {reason}")


def _message(line: str) -> str:
    """What a line of the server's log says: it is JSON where nobody sits at a terminal."""
    try:
        entry = json.loads(line)
        return str(entry.get("error") or entry["message"])
    except (ValueError, KeyError, AttributeError):
        return line


def require_free_port(address: str, port: int) -> None:
    """Look whether a server could listen there.

    Raises:
        ServerFailed: the port is in use, or may not be used.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            raise ServerFailed(
                f"cannot listen on {address}:{port}: {getattr(error, 'strerror', None) or error}; "
                "stop what runs there, or choose another port with CENTRIFUGO_PORT or --port"
            ) from error


def run(binary: Path, config: Mapping[str, Any], reloading: Reloading, nodes: int = 1) -> int:
    """Run the server in the foreground with its log on our own output; return its exit status.

    SIGINT and SIGTERM are handed on to it, and it is waited for. `reloading` is told how it takes another config, and
    answers SIGHUP. A server that a signal ended has the status that a shell gives it, such as 137 for SIGKILL.

    Of several nodes each has the port after that of the one before, and one that ends by itself is started anew.

    Raises:
        ServerFailed: wrong version, refused config, or a port in use.
    """
    require_version_6(binary)
    running = _Nodes(binary)
    with ExitStack() as stack:
        stack.enter_context(_handing_on(running))  # first: the files must not be left behind
        configs = [_of_node(config, number) for number in range(nodes)]
        running.paths += [stack.enter_context(config_file(each)) for each in configs]
        stack.enter_context(reloading(partial(_hand, running)))
        check_config(binary, running.paths[0])
        for each in configs:
            require_free_port(each["http_server"]["address"], each["http_server"]["port"])
        status = running.run()
    return status if status >= 0 else 128 - status


def _of_node(config: Mapping[str, Any], number: int) -> dict[str, Any]:
    place = config["http_server"]
    return {**config, "http_server": {**place, "port": place["port"] + number}}


class _Nodes:
    """The processes of the server, one for each file with a config."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary
        self.paths: list[Path] = []
        self.children: list[subprocess.Popen[bytes]] = []
        self.is_stopping = False

    def run(self) -> int:
        """Start them, wait until they have ended, and return the status of the first that failed."""
        try:
            for path in self.paths:
                self.children.append(self._started(path))
            if len(self.children) == 1:
                return self.children[0].wait()
            while not self.is_stopping:
                self._start_anew()
                time.sleep(LOOK)
            self.send_signal(signal.SIGTERM)  # one that was started just now has heard nothing
            return max((child.wait() for child in self.children), key=bool)
        finally:
            for child in self.children:
                end(child)

    def _started(self, path: Path) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C would reach it twice, from the terminal and from us.
        command: list[str | Path] = [self.binary, "-c", path]
        return subprocess.Popen(command, start_new_session=True, env=environment())  # noqa: S603

    def _start_anew(self) -> None:
        for number, child in enumerate(self.children):
            if child.poll() is not None:
                logger.error("node %d ended by itself with status %d; it is started anew", number + 1, child.returncode)
                time.sleep(RESTART_PAUSE)
                if not self.is_stopping:
                    self.children[number] = self._started(self.paths[number])

    def send_signal(self, number: int) -> None:
        for child in self.children:
            child.send_signal(number)


def _hand(nodes: _Nodes, config: Mapping[str, Any]) -> None:
    """Have the nodes read another config, if it is good.

    Raises:
        ServerFailed: it is refused, or nothing makes a server read it.
    """
    if not hasattr(signal, "SIGHUP"):
        raise ServerFailed("this system has no SIGHUP; start runws again")
    with config_file(config) as new:
        check_config(nodes.binary, new)
    for number, path in enumerate(nodes.paths):
        staged = path.with_suffix(".new")
        _write(staged, _of_node(config, number))
        staged.replace(path)
    nodes.send_signal(signal.SIGHUP)


@contextmanager
def _handing_on(nodes: _Nodes) -> Iterator[None]:
    """Hand the signals that end us on to the nodes; while there is none, they end us, in order."""

    def stop(signum: int, frame: FrameType | None) -> None:
        if not nodes.children:
            raise SystemExit(128 + signum)
        nodes.is_stopping = True
        nodes.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end(child: subprocess.Popen[bytes]) -> None:
    """End a server, by force where it does not end by itself, and wait for it."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
