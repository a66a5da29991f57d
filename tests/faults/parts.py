"""The parts that faults are injected into. Each can be killed, started again, suspended and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from instant.centrifugo import binary, process
from instant.testing.live_servers import free_port, wait_until_listening
from tests.backends.conftest import alive, listener
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]


class Part:
    """A process group, of one command."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.command, self.log, self.environment = command, log, environment
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _send(self, number: int) -> None:
        assert self.child is not None
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, number)

    def kill(self) -> None:
        if self.child is None:
            return
        self._send(signal.SIGKILL)
        self.child.wait()
        assert self.child.stdin is not None
        self.child.stdin.close()

    def suspend(self) -> None:
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Close its stdin, send the signal unless that is 0, and return its status."""
        if self.child is None:
            return 0
        assert self.child.stdin is not None
        self.child.stdin.close()
        if self.child.poll() is None and number:
            self._send(number)
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.child.returncode


class Server(Part):
    """Centrifugo, or the devserver."""

    def __init__(self, kind: str, config: Mapping[str, Any], folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(config))
        program = [str(binary.find_binary()), "-c"] if kind == "centrifugo" else [sys.executable, "-m"]
        program += [] if kind == "centrifugo" else ["instant.devserver"]
        super().__init__([*program, str(path)], folder / "server.log", process.environment())
        self.port = int(config["http_server"]["port"])

    def start(self) -> None:
        super().start()
        wait_until_listening(self.port, self.child)


class Redis(Part):
    """A Redis that keeps its data on the disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder)]
        super().__init__(
            [*command, "--save", "", "--appendonly", "yes", "--appendfsync", "always"], folder / "redis.log"
        )

    def start(self) -> None:
        super().start()
        wait_until_listening(self.port, self.child)


class Publisher:
    """The Go publisher that listens at this socket; the workers start it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.suspended = 0

    def _pid(self) -> int:
        found: list[int] = []

        def listens() -> bool:
            with suppress(OSError):
                found.append(listener(self.path))
            return bool(found)

        until(listens, "no publisher listens")
        return found[0]

    def kill(self) -> None:
        pid = self._pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), "the publisher lives on")

    def start(self) -> None:
        """The next message does."""

    def suspend(self) -> None:
        self.suspended = self._pid()
        os.kill(self.suspended, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.suspended, signal.SIGCONT)

    def end(self) -> None:
        with suppress(OSError):
            os.kill(listener(self.path), signal.SIGTERM)


class Postgres:
    """A cluster of tests.postgres."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster

    def _all(self) -> list[int]:
        first = int(self.cluster._process.pid)
        return [first, *_children(first)]

    def _send(self, number: int) -> None:
        for pid in self._all():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        self._send(signal.SIGKILL)
        self.cluster._process.wait()

    def start(self) -> None:
        self.cluster.restart()

    def suspend(self) -> None:
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def limit_files(self, size: int | None) -> None:
        """Let all its processes, and those that it starts, write files of at most `size` bytes, or without a limit."""
        soft = "unlimited" if size is None else str(size)
        for pid in self._all():
            # Only their own user may do this; not every root has the capability.
            done = subprocess.run(
                ["prlimit", "--pid", str(pid), f"--fsize={soft}:"], capture_output=True, text=True, check=False,
                **self.cluster._as,
            )  # fmt: skip
            assert done.returncode == 0 or not alive(pid), done.stderr


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found
