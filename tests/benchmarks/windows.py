"""Calls from a page to a function and back, beside what POST and django-channels do; and triggers for many windows."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from . import redis
from .server import Server, planned, start
from .venvs import Missing, python_of

#: Of the one process of the WSGI server; calls that are under way at once, each over a connection of its own.
THREADS, CALLERS = 8, 16
#: Calls of one kind, before the next one has its turn.
BLOCK = 200
#: Of calls per second over the websocket to POSTs of the same view, and of a view that does the same.
BAR = 0.9

OURS = {
    "rpc": "call over the websocket",
    "door": "POST to the same view",
    "post": "POST to a view of its own",
}
PEERS = {
    "channels": "django-channels, async echo without a query",
    "channels-user": "django-channels, function and user as ours",
}
CROWDS = {"shared": "of one topic", "own": "of a topic each", "channels": "of one group of django-channels"}
#: By what is measured: figures of each round, by name.
Figures = dict[str, list[dict[str, Any]]]

_FOLDER = Path(__file__).parent / "peers"
_CHECKOUT = _FOLDER.parents[2]


@dataclass(frozen=True)
class Counts:
    """How much of everything."""

    rounds: int
    calls: int
    clients: int
    times: int


def measured(counts: Counts, *, peers: bool) -> tuple[Figures, dict[str, str]]:
    """Return the figures, and why some are missing.

    Raises:
        RuntimeError, ServerFailed: a process failed.
    """
    if importlib.util.find_spec("gunicorn") is None:
        return {}, {"windows": "gunicorn is not installed"}
    with ExitStack() as stack:
        server = _site(stack)
        kinds, crowds = list(OURS), ["shared", "own"]
        missing: dict[str, str] = {}
        try:
            sender = _channels(stack, server, peers)
            kinds, crowds = [*kinds, *PEERS], [*crowds, "channels"]
        except Missing as error:
            missing["django-channels"], sender = str(error), []
        found: Figures = {}
        for _ in range(counts.rounds):
            for kind, figures in _calls(server, counts, kinds).items():
                found.setdefault(kind, []).append(figures)
            for kind in [kind for kind in crowds if kind not in missing]:
                try:
                    found.setdefault(f"crowd {kind}", []).append(_crowd(server, counts, kind, sender))
                except Missing as error:
                    missing[kind] = str(error)
    return found, missing


def _calls(server: Server, counts: Counts, kinds: list[str]) -> dict[str, Any]:
    numbers = (CALLERS, min(counts.calls, BLOCK), max(counts.calls // BLOCK, 1))
    return _run(server, "calls", *map(str, numbers), *kinds)


def _crowd(server: Server, counts: Counts, kind: str, sender: list[str]) -> dict[str, Any]:
    own = [sys.executable, "-m", "tests.benchmarks.site.send", kind, str(counts.clients)]
    command = sender if kind == "channels" else own
    try:
        return _run(server, "audience", kind, str(counts.clients), str(counts.times), *command)
    except RuntimeError as error:
        if kind == "channels":  # what a peer loses is no failure of ours
            raise Missing(str(error)) from error
        raise


def _site(stack: ExitStack) -> Server:
    """Run a websockets server, and a WSGI server that it calls."""
    from instant.testing.live_servers import free_port, wait_until_listening

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    port, server = free_port(), planned()
    server.further = {
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.site.settings",
        "BENCH_SITE": f"http://127.0.0.1:{port}",
        "BENCH_DATABASE": json.dumps({"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}),
    }
    start(stack, server)
    options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", str(THREADS)]
    options += ["--workers", "1", "--keep-alive", "75", "--log-level", "error", "--worker-tmp-dir", folder]
    command = [sys.executable, "-m", "gunicorn", *options, "tests.benchmarks.site.wsgi"]
    child = _started(stack, command, server.environment(), _CHECKOUT)
    wait_until_listening(port, child)
    server.further["BENCH_SITE_PID"] = str(child.pid)
    return server


def _channels(stack: ExitStack, server: Server, wanted: bool) -> list[str]:
    """Run daphne, and return the command that sends to its group.

    Raises:
        Missing: it cannot be run here.
    """
    from django.conf import settings

    from instant.testing.live_servers import free_port, wait_until_listening

    if not wanted or shutil.which("redis-server") is None:
        raise Missing("needs PEERS=1, and redis-server on PATH")
    python, port = python_of("channels"), free_port()
    server.further |= {
        "BENCH_CHANNELS": f"http://127.0.0.1:{port}",
        "BENCH_REDIS": stack.enter_context(redis.running()),
        "BENCH_SECRET_KEY": settings.SECRET_KEY,
        # Its settings are in the program itself.
        "PYTHONPATH": str(_CHECKOUT),
    }
    command = [str(python), "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", "channels_site:application"]
    environment = {name: value for name, value in server.environment().items() if name != "PYTHONPATH"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    wait_until_listening(port, _started(stack, command, environment, _FOLDER))
    return [str(python), str(_FOLDER / "channels_site.py")]


def _started(stack: ExitStack, command: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.Popen:
    from instant.centrifugo import process

    child = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    stack.callback(process.end, child)
    return child


def _run(server: Server, module: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    environment = server.environment()
    done = subprocess.run(command, env=environment, cwd=_CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments[:3])}: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def lines(found: Figures) -> Iterator[str]:
    """What there is to say of it."""
    for kind, label in (OURS | PEERS).items():
        if kind in found:
            p50, p99 = (median(figures[name] for figures in found[kind]) for name in ("p50", "p99"))
            yield (
                f"{label}: {median(_blocks(found, kind)):,.0f}/s of {CALLERS} callers; one alone waits "
                f"p50 {p50:.2f} ms, p99 {p99:.2f} ms{_cpu(found, kind)}{_against(found, kind)}"
            )
    for kind, label in CROWDS.items():
        if found.get(f"crowd {kind}"):
            clients, last = found[f"crowd {kind}"][0]["clients"], median(_last(found, kind))
            yield (
                f"one trigger for {clients:,} windows {label}: the last has it after {last:.1f} ms"
                f"{_sooner(found, kind)}"
            )


def _cpu(found: Figures, kind: str) -> str:
    """What tells most where other load takes its part of the cores."""
    own = median(figures["site_us"] for figures in found[kind])
    return f", {own:,.0f} µs of the WSGI server's CPU" if own and kind in OURS else ""


def _against(found: Figures, kind: str) -> str:
    """How calls over the websocket compare with another kind, block by block: load comes and goes between them."""
    if kind == "rpc":
        return ""
    value = _ratio(_blocks(found, "rpc"), _blocks(found, kind))
    bar = f" (≥ {BAR:g}: {'reached' if value >= BAR else 'NOT REACHED'})" if kind in OURS else ""
    return f"; over the websocket {value:.2f}x as many{bar}{_by_cpu(found, kind)}"


def _by_cpu(found: Figures, kind: str) -> str:
    """What it would be with a core for the WSGI server alone."""
    both = [[figures["site_us"] for figures in found[one]] for one in (kind, "rpc")]
    return f", {_ratio(*both):.2f}x by that CPU" if kind in OURS and all(map(all, both)) else ""


def _sooner(found: Figures, kind: str) -> str:
    if kind != "channels":
        return ""
    return f"; ours takes {_ratio(_last(found, 'shared'), _last(found, kind)):.2f}x as long"


def _ratio(ones: list[float], others: list[float]) -> float:
    return median(one / other for one, other in zip(ones, others, strict=False))


def _blocks(found: Figures, kind: str) -> list[float]:
    return [each for figures in found[kind] for each in figures["per_second"]]


def _last(found: Figures, kind: str) -> list[float]:
    return [figures["p50"] for figures in found[f"crowd {kind}"]]
