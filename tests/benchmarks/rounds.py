"""Rounds: each path once in each, so that a change of the machine's mood hits all alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path as File

from . import counter
from .paths import TEXT, Path, Round, Row, Rows
from .server import Server
from .venvs import Missing, ceiling, python_of

PEERS = File(__file__).parent / "peers"
CHECKOUT = PEERS.parents[2]
#: Seconds that one path may take in one round.
LIMIT = 600

Say = Callable[[str], None]


class Wrong(Exception):
    """A process failed, or the server did not publish what it sent."""


def prepare(paths: Sequence[Path], server: Server, redis: str | None) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the command that runs each path, and why others cannot run here."""
    commands: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    for path in paths:
        try:
            commands[path.name] = _command(path, server, redis)
        except Missing as error:
            missing[path.name] = str(error)
    return commands, missing


def _command(path: Path, server: Server, redis: str | None) -> list[str]:
    if path.kind == "ours":
        reason = server.lacks(path.backend)
        if reason:
            raise Missing(reason)
        return [sys.executable, "-m", "tests.benchmarks.work", path.name]
    if path.kind == "peer":
        if path.name != "existing" and redis is None:
            raise Missing("needs PEERS=1, and redis-server on PATH")
        return [str(python_of(path.name)), str(PEERS / f"{path.name}.py")]
    if path.name == "ceiling":
        os.environ["BENCH_CEILING"] = str(ceiling())
    return [sys.executable, "-m", "tests.benchmarks.bare", path.name]


def measure(paths: Sequence[Path], commands: dict[str, list[str]], run: Run) -> tuple[Rows, dict[str, str]]:
    """Return the rows of all paths, and what went wrong; a path that fails is not tried again."""
    rows: Rows = {}
    wrong: dict[str, str] = {}
    for number in range(1, run.rounds + 1):
        for path in paths:
            if path.name not in commands or path.name in wrong:
                continue
            try:
                result = run.once(path, commands[path.name], number)
            except Wrong as error:
                wrong[path.name] = str(error)
                rows.pop(path.name, None)
                run.say(f"round {number}: {path.name} FAILED: {error}")
                continue
            rows.setdefault(path.name, Row(path)).rounds.append(result)
            run.say(f"round {number}: {path.name}: {result.messages / result.total:,.0f}/s")
    return rows, wrong


class Run:
    """What all rounds share."""

    def __init__(self, server: Server, label: str, rounds: int, messages: int, redis: str | None, say: Say) -> None:
        self.server, self.label, self.rounds, self.messages = server, label, rounds, messages
        self.redis, self.say = redis, say
        #: The end of what the last process had to say of its errors.
        self.said = ""
        self.with_history = counter.count(f"{label}_probe") is not None

    def once(self, path: Path, command: list[str], number: int) -> Round:
        """Run one path once, and hold the server's counter against it.

        Raises:
            Wrong: see there.
        """
        count = path.messages(self.messages)
        warm_up = min(max(count // 20, 1), 200)
        channel = f"{self.label}_{path.name}_{number}"
        before = counter.published() if path.counted and not self.with_history else None
        result = self._figures(path, [*command, channel, str(count), str(warm_up), TEXT])
        if path.counted:
            result.counted = self._counted(channel, before, warm_up)
            if result.counted is not None and result.counted != count:
                raise Wrong(f"the server counted {result.counted} of {count} messages{self.said}")
        return result

    def _figures(self, path: Path, command: list[str]) -> Round:
        environment = {**self.server.environment(path.backend), "BENCH_REDIS": self.redis or ""}
        try:
            folder = _folder(path)
            done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired as error:
            raise Wrong(f"not done after {LIMIT} s") from error
        if done.returncode:
            raise Wrong((done.stderr.strip().splitlines() or ["no output"])[-1])
        self.said = f" ({done.stderr.strip().splitlines()[-1]})" if done.stderr.strip() else ""
        return Round(**json.loads(done.stdout.splitlines()[-1]))

    def _counted(self, channel: str, before: int | None, warm_up: int) -> int | None:
        if self.with_history:
            return counter.count(channel)
        after = counter.published()
        return None if before is None or after is None else after - before - warm_up


def _folder(path: Path) -> File:
    """Another package called `instant` must not find ours, which stands in the checkout."""
    return PEERS if path.kind == "peer" else CHECKOUT
