"""WebSocketHandler: many open sockets, how they end, and echoes beside those of django-channels."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from .server import Server, planned, start
from .venvs import Missing, python_of

#: Bars: seconds until 1,000 are open, milliseconds of an echo meanwhile, and seconds until on_close was called for all.
OPENING_BAR, ECHO_BAR, CLOSING_BAR = 5.0, 5.0, 2.0
#: Sockets side by side with django-channels.
BESIDE = 200
KINDS = {
    "centrifugo/plain": "plain methods, by the server",
    "centrifugo/async": "async methods, by the server",
    "bridge/plain": "plain methods, plain WebSockets",
    "bridge/async": "async methods, plain WebSockets",
    "channels/plain": "django-channels under daphne, WebsocketConsumer",
    "channels/async": "django-channels under daphne, AsyncWebsocketConsumer",
}
Figures = dict[str, Any]

_FOLDER = Path(__file__).parent / "peers"
_CHECKOUT = _FOLDER.parents[2]
_PATIENCE = 60


def measured(sockets: int, rounds: int, seconds: float, *, peers: bool) -> tuple[Figures, dict[str, str]]:
    """Return the figures, and why some are missing.

    Raises:
        RuntimeError, ServerFailed: a process failed.
    """
    if importlib.util.find_spec("grpc") is None:
        return {}, {"sockets": "gRPC is not installed"}
    if shutil.which("centrifugo") is None:
        return {}, {"sockets": "there is no Centrifugo on PATH"}
    with ExitStack() as stack:
        site = _Site(stack, seconds)
        found: Figures = {"crowd": _crowd(site, sockets)}
        missing: dict[str, str] = {}
    beside: dict[str, list[Figures]] = {}
    with ExitStack() as stack:
        site = _Site(stack, seconds)
        try:
            site.start_channels(stack, peers)
        except Missing as error:
            missing["django-channels"] = str(error)
        for _ in range(rounds):
            for kind in KINDS:
                if kind.partition("/")[0] in site.urls:
                    with site.client(kind, min(BESIDE, sockets)) as (_, figures):
                        beside.setdefault(kind, []).append(figures)
    return {**found, "beside": beside}, missing


def _crowd(site: _Site, count: int) -> Figures:
    """Open sockets twice: their clients are killed, then the server is."""
    with site.client("centrifugo/plain", count) as (client, figures):
        begin = time.monotonic_ns()
        client.send_signal(signal.SIGKILL)
        figures["clients_killed"] = site.closed(count, begin)
    with site.client("centrifugo/plain", count):
        begin = time.monotonic_ns()
        os.kill(site.server.pid or 0, signal.SIGKILL)
        figures["server_killed"] = site.closed(2 * count, begin)
    return figures


class _Site:
    """A websockets server and a worker, and daphne where it is wanted."""

    def __init__(self, stack: ExitStack, seconds: float) -> None:
        from instant.testing.live_servers import free_port, wait_until_listening

        worker, bridge, self.seconds = free_port(), free_port(), seconds
        self.server: Server = planned()
        self.server.further = {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.echo.settings",
            "BENCH_WORKER": f"grpc://127.0.0.1:{worker}",
            "BENCH_BRIDGE": f"http://127.0.0.1:{bridge}",
        }
        command = [sys.executable, "-m", "django", "run_wsserver"]
        self.worker = _started(stack, command, self.server.environment(), _CHECKOUT)
        wait_until_listening(worker, self.worker)
        start(stack, self.server)
        self.urls = {"centrifugo": self.server.url, "bridge": f"http://127.0.0.1:{bridge}"}
        self.pids = {"centrifugo": [self.server.pid or 0, self.worker.pid], "bridge": [self.worker.pid]}

    def start_channels(self, stack: ExitStack, wanted: bool) -> None:
        """Run daphne.

        Raises:
            Missing: it cannot be run here.
        """
        from instant.testing.live_servers import free_port, wait_until_listening

        if not wanted:
            raise Missing("needs PEERS=1")
        port, python = free_port(), python_of("channels")
        options = ["-b", "127.0.0.1", "-p", str(port), "-v", "0", "channels_echo:application"]
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        child = _started(stack, [str(python), "-m", "daphne", *options], environment, _FOLDER)
        wait_until_listening(port, child)
        self.urls["channels"], self.pids["channels"] = f"http://127.0.0.1:{port}", [child.pid]

    @contextmanager
    def client(self, kind: str, count: int) -> Iterator[tuple[subprocess.Popen[str], Figures]]:
        """A process that holds so many sockets open, and what it found."""
        place = kind.partition("/")[0]
        arguments = [self.urls[place], kind, str(count), str(self.seconds), ",".join(map(str, self.pids[place]))]
        command = [sys.executable, "-m", "tests.benchmarks.echo.client", *arguments]
        environment = self.server.environment()
        client = subprocess.Popen(command, env=environment, cwd=_CHECKOUT, stdout=subprocess.PIPE, text=True)
        with client:
            try:
                line = client.stdout.readline() if client.stdout else ""
                if not line:
                    raise RuntimeError(f"{kind}: the client failed")
                yield client, json.loads(line)
            finally:
                client.kill()

    def closed(self, count: int, begin: int) -> float:
        """Wait until on_close was called so often, and return the seconds from `begin` to the last one."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            _, closed, last = self._figures()
            if closed >= count:
                if closed > count:
                    raise RuntimeError(f"on_close was called {closed} times, for {count} sockets")
                seconds: float = (last - begin) / 1e9
                return seconds
            time.sleep(0.05)
        raise RuntimeError(f"on_close was called {closed} times only, of {count}")

    def _figures(self) -> list[int]:
        async def ask() -> list[int]:
            async with aiohttp.ClientSession() as http, http.ws_connect(f"{self.urls['bridge']}/socket/figures") as ws:
                await ws.send_str("how many")
                figures: list[int] = json.loads(await ws.receive_str())
                return figures

        return asyncio.run(ask())


def _started(stack: ExitStack, command: list[str], environment: Mapping[str, str], folder: Path) -> Any:
    from instant.centrifugo import process

    child = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    stack.callback(process.end, child)
    return child


def lines(found: Figures) -> Iterator[str]:
    """What there is to say of it."""
    if "crowd" in found:
        yield from _crowded(found["crowd"])
    beside = found.get("beside", {})
    for kind, figures in beside.items():
        per_second = median(each["per_second"] for each in figures)
        yield (
            f"{figures[0]['sockets']} sockets, {KINDS[kind]}: {per_second:,.0f} echoes/s, one alone p50 "
            f"{median(each['p50'] for each in figures):.2f} ms; {_memory(figures) / 1024:.0f} MB{_times(beside, kind)}"
        )


def _crowded(crowd: Figures) -> Iterator[str]:
    server, worker = crowd["kb_a_socket"].values()
    count = f"{crowd['sockets']:,} sockets"
    yield f"{count}: opened in {crowd['opening']:.2f} s{_judged(crowd['opening'], OPENING_BAR)}"
    verdict = _judged(crowd["p50"], ECHO_BAR)
    yield f"{count}: an echo meanwhile, p50 {crowd['p50']:.2f} ms{verdict}, p99 {crowd['p99']:.2f} ms"
    yield f"{count}: {worker:.0f} kB of the worker a socket, {server:.0f} kB of the server"
    for name, what in {"clients_killed": "clients are", "server_killed": "server is"}.items():
        seconds = crowd[name]
        yield f"{count}: on_close of all {seconds:.2f} s after the {what} killed{_judged(seconds, CLOSING_BAR)}"


def _judged(value: float, bar: float) -> str:
    return f" (≤ {bar:g}: {'reached' if value <= bar else 'NOT REACHED'})"


def _times(beside: Mapping[str, list[Figures]], kind: str) -> str:
    """Ratios to the consumer of the same sort, round by round."""
    place, _, sort = kind.partition("/")
    peer = beside.get(f"channels/{sort}")
    if peer is None or place == "channels":
        return ""
    pairs = list(zip(beside[kind], peer, strict=True))
    speed = median(ours["per_second"] / theirs["per_second"] for ours, theirs in pairs)
    return f"; {speed:.2f}x the echoes of django-channels, {_memory(beside[kind]) / _memory(peer):.2f}x its memory"


def _memory(figures: list[Figures]) -> float:
    """All processes together."""
    return median(sum(each["kb"].values()) for each in figures)
