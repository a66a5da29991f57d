"""Measure how fast messages go out; prints one table and writes JSON."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path as File

from instant.exceptions import ServerFailed

from . import crowd, events, latency, redis, streams, windows
from .paths import BACKENDS, NAMES, PATHS, WITH_REDIS, Path
from .report import Results, as_json, as_markdown, as_text, load, machine
from .rounds import Run, measure, prepare
from .server import Server, running

QUICK = {"rounds": 1, "messages": 200, "spaced": 50, "clients": 100, "times": 5, "saves": 50, "rows": 200}
FULL = {"rounds": 5, "messages": 10_000, "spaced": 500, "clients": 1_000, "times": 20, "saves": 1_000, "rows": 10_000}
QUICK["calls"], FULL["calls"] = 100, 3_000
QUICK["sockets"], FULL["sockets"] = 20, 1_000
PARTS = ("latency", "fan-out", "events", "windows", "sockets")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the options ask for; the status is 1 where a path failed."""
    options = _options(arguments)
    results = Results("", options.rounds, options.messages, machine=machine())
    with ExitStack() as stack:
        outbox = any(name.startswith("outbox") or name == "latency" for name in options.only)
        server = stack.enter_context(running(options.server, options.api_key, options.hmac_key, outbox=outbox))
        results.server = server.name
        _say(f"measuring {server.name}")
        label = f"bench{secrets.token_hex(3)}"
        if "fan-out" in options.only:  # first, while the server's memory is all its own
            _crowd(server, options, results, label)
        if "latency" in options.only:
            _latency(server, options, results, label)
        if "events" in options.only:
            _events(server, options, results)
        if "windows" in options.only:
            _windows(server, options, results)
        if "sockets" in options.only:
            _sockets(options, results)
        _publish(stack, server, options, results, label)
    results.machine["load_after"] = load()
    _write(options, results)
    return 1 if results.wrong else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--server", metavar="URL", help="default: centrifugo on PATH, else the devserver")
    parser.add_argument("--api-key", default=os.environ.get("CENTRIFUGO_API_KEY"), help="of --server")
    parser.add_argument("--hmac-key", default=os.environ.get("CENTRIFUGO_HMAC_KEY"), help="of --server, to subscribe")
    parser.add_argument("--rounds", type=int, help="default: 5")
    parser.add_argument("--messages", type=int, help="of a path in one round; default: 10,000, slow paths a tenth")
    parser.add_argument("--clients", type=int, help="of fan-out, and windows; default: 1,000")
    parser.add_argument("--only", nargs="+", choices=NAMES + PARTS, metavar="NAME", help=", ".join(NAMES + PARTS))
    parser.add_argument("--json", type=File, default=File("bench.json"), metavar="FILE", help="default: bench.json")
    parser.add_argument("--markdown", action="store_true", help="print the table as ratios in Markdown")
    parser.add_argument("--quick", action="store_true", help="one round of few messages: to see that it works")
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    if options.server and not options.api_key:
        parser.error("--server needs --api-key, or CENTRIFUGO_API_KEY in the environment")
    if not options.only:
        options.only = list(NAMES + PARTS)
    return options


def _publish(stack: ExitStack, server: Server, options: argparse.Namespace, results: Results, label: str) -> None:
    chosen: list[Path] = [path for path in PATHS if path.name in options.only]
    address = None
    if os.environ.get("PEERS") == "1" and shutil.which("redis-server") and set(WITH_REDIS) & set(options.only):
        address = stack.enter_context(redis.running())
    commands, missing = prepare(chosen, server, address)
    results.skipped.update(missing)
    for name, reason in missing.items():
        _say(f"left out: {name}: {reason}")
    run = Run(server, label, options.rounds, options.messages, address, _say)
    results.rows, wrong = measure(chosen, commands, run)
    results.wrong.update(wrong)


def _latency(server: Server, options: argparse.Namespace, results: Results, label: str) -> None:
    for backend in BACKENDS:
        name = f"latency {backend}"
        reason = server.lacks(backend) or ("" if server.hmac_key else "needs --hmac-key")
        if reason:
            results.skipped[name] = reason
        else:
            _say(name)
            try:
                results.latency[backend] = latency.measured(server, backend, f"{label}_{backend}", options.spaced)
            except RuntimeError as error:
                results.wrong[name] = str(error)


def _crowd(server: Server, options: argparse.Namespace, results: Results, label: str) -> None:
    if not server.hmac_key:
        results.skipped["fan-out"] = "needs --hmac-key"
        return
    _say("fan-out")
    try:
        results.crowd = crowd.measured(server, f"{label}_crowd", options.clients, options.times)
    except RuntimeError as error:
        results.wrong["fan-out"] = str(error)


def _events(server: Server, options: argparse.Namespace, results: Results) -> None:
    _say("events")
    try:
        results.events = events.measured(server, options.saves, options.rows, options.rounds)
    except RuntimeError as error:
        results.wrong["events"] = str(error)


def _windows(server: Server, options: argparse.Namespace, results: Results) -> None:
    if options.server:
        results.skipped["windows"] = "a given server does not call our Django"
        return
    _say("windows")
    counts = windows.Counts(options.rounds, options.calls, options.clients, options.times)
    try:
        results.windows, missing = windows.measured(counts, peers=os.environ.get("PEERS") == "1")
        results.skipped.update(missing)
    except (RuntimeError, ServerFailed) as error:
        results.wrong["windows"] = str(error)


def _sockets(options: argparse.Namespace, results: Results) -> None:
    if options.server:
        results.skipped["sockets"] = "a given server does not know our worker"
        return
    _say("sockets")
    try:
        results.sockets, missing = streams.measured(
            options.sockets, min(options.rounds, 3), 0.2 if options.quick else 3.0, peers=os.environ.get("PEERS") == "1"
        )
        results.skipped.update(missing)
    except (RuntimeError, ServerFailed) as error:
        results.wrong["sockets"] = str(error)


def _write(options: argparse.Namespace, results: Results) -> None:
    options.json.write_text(json.dumps(as_json(results), indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(as_markdown(results) if options.markdown else as_text(results))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
