"""Runs the server's processes in the foreground, and checks and reloads their config."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
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

#: Seconds that the server may take to close its connections before it is killed.
STOP_TIMEOUT = 35
#: Seconds between two checks for exited nodes, and seconds before an exited node is restarted.
CHECK_INTERVAL, RESTART_PAUSE = 0.1, 1.0


def environment() -> dict[str, str]:
    """Return the environment without names of Django's settings, which the server would take as its own."""
    ours = {name for name in vars(Settings) if name.startswith("CENTRIFUGO_")}
    return {name: value for name, value in os.environ.items() if name not in ours}


@contextmanager
def config_file(config: Mapping[str, Any]) -> Iterator[Path]:
    """Write the config to a file that only the current user can read, and delete it after the block."""
    with tempfile.TemporaryDirectory(prefix="instant-") as folder:
        path = Path(folder) / "config.json"
        _write(path, config)
        yield path


def _write(path: Path, config: Mapping[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2))


def check_config(binary: Path, path: Path) -> None:
    """Have the server validate its config.

    Raises:
        ServerFailed: the server refuses it. The text contains the reason.
    """
    done = subprocess.run([binary, "checkconfig", "-c", path], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = masked(_message(lines[-1])) if lines else "no reason given"
        raise ServerFailed(f"Centrifugo refuses its config: {reason}")


def _message(line: str) -> str:
    """Return the message in a line of the server's log, which is JSON unless the output is a terminal."""
    try:
        entry = json.loads(line)
        return str(entry.get("error") or entry["message"])
    except (ValueError, KeyError, AttributeError):
        return line


def require_free_port(address: str, port: int) -> None:
    """Check that a server can listen on this address and port.

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
                f"Cannot listen on {address}:{port}: {getattr(error, 'strerror', None) or error}. "
                "Stop the program that uses the port, or choose another one with CENTRIFUGO_PORT or --port."
            ) from error


def run(binary: Path, config: Mapping[str, Any], reloading: Reloading, nodes: int = 1) -> int:
    """Run the server in the foreground, with its log on our output, and return its exit status.

    SIGINT and SIGTERM are forwarded to the server, and its exit is awaited. `reloading` receives a function that
    reloads the config, and handles SIGHUP. If a signal ended the server, the status is that of a shell, such as 137 for
    SIGKILL.

    With several nodes, each node uses the next port, and a node that exits by itself is restarted.

    Raises:
        ServerFailed: the server has the wrong version or refuses its config, or a port is in use.
        KeyboardInterrupt: SIGINT or SIGTERM was received before the first node was started.
    """
    require_version_6(binary)
    running = _Nodes(binary)
    with ExitStack() as stack:
        stack.enter_context(_forwarding_signals(running))  # first, so that the files are removed after a signal
        configs = [_node_config(config, number) for number in range(nodes)]
        running.paths += [stack.enter_context(config_file(each)) for each in configs]
        stack.enter_context(reloading(partial(_reload, running)))
        check_config(binary, running.paths[0])
        for each in configs:
            require_free_port(each["http_server"]["address"], each["http_server"]["port"])
        status = running.run()
    return status if status >= 0 else 128 - status


def _node_config(config: Mapping[str, Any], number: int) -> dict[str, Any]:
    place = config["http_server"]
    return {**config, "http_server": {**place, "port": place["port"] + number}}


class _Nodes:
    """The server's processes, one for each config file."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary
        self.paths: list[Path] = []
        self.children: list[subprocess.Popen[bytes]] = []
        self.is_starting = self.is_stopping = False
        self._terminated: set[subprocess.Popen[bytes]] = set()

    def run(self) -> int:
        """Start the processes, wait until they have ended, and return the first failed exit status, or 0."""
        try:
            self.is_starting = True
            for path in self.paths:
                self.children.append(self._started(path))
            while len(self.children) > 1 and not self.is_stopping:
                self._restart_exited()
                time.sleep(CHECK_INTERVAL)
            if self.is_stopping:
                # A node that was started just now has not received the signal. A second one could kill the others.
                self._terminate([child for child in self.children if child not in self._terminated])
            statuses = [child.wait() for child in self.children]
            if self.is_stopping:  # a node that was still starting has no handler for the signal yet
                statuses = [0 if status == -signal.SIGTERM else status for status in statuses]
            return max(statuses, key=bool)
        finally:
            for child in self.children:
                end(child)

    def _started(self, path: Path) -> subprocess.Popen[bytes]:
        # Start a new session: otherwise Ctrl-C would reach the server twice, from the terminal and from us.
        command: list[str | Path] = [self.binary, "-c", path]
        return subprocess.Popen(command, start_new_session=True, env=environment())  # noqa: S603

    def _restart_exited(self) -> None:
        for number, child in enumerate(self.children):
            if child.poll() is not None:
                logger.error("node %d exited with status %d and is restarted", number + 1, child.returncode)
                time.sleep(RESTART_PAUSE)
                if not self.is_stopping:
                    self.children[number] = self._started(self.paths[number])

    def stop(self) -> None:
        """Terminate all nodes. A signal handler may call this."""
        self.is_stopping = True
        self._terminate(self.children)

    def _terminate(self, children: Sequence[subprocess.Popen[bytes]]) -> None:
        self._terminated.update(children)
        for child in children:
            child.terminate()


def _reload(nodes: _Nodes, config: Mapping[str, Any]) -> None:
    """Have all nodes reload `config`, if the server accepts it.

    Raises:
        ServerFailed: the server refuses it, or the system has no SIGHUP.
    """
    if not hasattr(signal, "SIGHUP"):
        raise ServerFailed("This system has no SIGHUP: restart runws.")
    with config_file(config) as new:
        check_config(nodes.binary, new)
    for number, path in enumerate(nodes.paths):
        staged = path.with_suffix(".new")
        _write(staged, _node_config(config, number))
        staged.replace(path)
    for child in nodes.children:
        child.send_signal(signal.SIGHUP)


@contextmanager
def _forwarding_signals(nodes: _Nodes) -> Iterator[None]:
    """Forward SIGINT and SIGTERM to the nodes while the block runs. Before the first node, raise KeyboardInterrupt."""

    def stop(signum: int, frame: FrameType | None) -> None:
        if not nodes.is_starting:
            raise KeyboardInterrupt
        nodes.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end(child: subprocess.Popen[bytes]) -> None:
    """Terminate a server and wait for it; kill it after STOP_TIMEOUT seconds."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
