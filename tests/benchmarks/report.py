"""What was measured, as a table for the terminal, as Markdown for the README, and as JSON."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path as File
from typing import Any

import django

from . import events, streams, windows
from .paths import PATHS, Row, Rows, Verdict


@dataclass
class Results:
    """All of one run."""

    server: str
    rounds: int
    messages: int
    rows: Rows = field(default_factory=dict)
    #: Why a path, or a part, was left out.
    skipped: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    crowd: dict[str, float | None] = field(default_factory=dict)
    #: Ratios.
    events: dict[str, float] = field(default_factory=dict)
    windows: windows.Figures = field(default_factory=dict)
    sockets: streams.Figures = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)

    def verdicts(self, row: Row) -> list[Verdict]:
        return [bar.judge(row, self.rows) for bar in row.path.bars]

    def ratio(self, row: Row) -> float | None:
        """How many times as fast as django-instant 4.2."""
        existing = self.rows.get("existing")
        return row.times(existing) if existing else None

    def ordered(self) -> Iterator[Row]:
        return (self.rows[path.name] for path in PATHS if path.name in self.rows)


def machine() -> dict[str, str]:
    """Return what the figures depend on: the day, the machine and its other load, and the versions."""
    cpu = "unknown CPU"
    info = File("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    return {
        "date": date.today().isoformat(),
        "cpu": f"{os.cpu_count()} x {cpu}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_before": load(),
        "python": platform.python_version(),
        "django": django.get_version(),
        "go": _go(),
    }


def load() -> str:
    """What else the machine has to do, and, after a run, what the run was."""
    return f"{os.getloadavg()[0]:.1f}"


def _go() -> str:
    if shutil.which("go") is None:
        return "none"
    return subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()


def as_json(results: Results) -> dict[str, Any]:
    """Return all figures, those of each round too."""
    return {
        **{key: getattr(results, key) for key in ("machine", "server", "rounds", "messages", "skipped", "wrong")},
        "rows": [_row_as_json(results, row) for row in results.ordered()],
        "latency_ms": results.latency,
        "fan_out": results.crowd,
        "events": results.events,
        "windows": results.windows,
        "sockets": results.sockets,
    }


def _row_as_json(results: Results, row: Row) -> dict[str, Any]:
    return {
        "name": row.path.name,
        "label": row.path.label,
        "messages": row.rounds[0].messages,
        "per_second": row.per_second,
        "caller_us": row.caller_us,
        "times_existing": results.ratio(row),
        "bars": [asdict(verdict) for verdict in results.verdicts(row)],
        "rounds": [asdict(item) for item in row.rounds],
    }


def as_text(results: Results) -> str:
    """Return the one table, and what else there is to say, for a terminal."""
    cells = [("path", "messages", "per second", "x existing", "µs a call", "counted", "bars")]
    for row in results.ordered():
        counted = "yes" if row.rounds[0].counted is not None else "no"
        bars = "; ".join(map(_judged, results.verdicts(row)))
        count = f"{row.rounds[0].messages:,}"
        cells.append((row.path.label, count, *_figures(results, row), counted, bars))
    lines = [_headline(results), "", *_aligned(cells), ""]
    return "\n".join([*lines, *_beyond(results)])


def as_markdown(results: Results) -> str:
    """Return the table as ratios, for the README."""
    titles = "| path | messages per second, x django-instant 4.2 | µs of the caller per message | bars |"
    lines = [titles, "|---|--:|--:|---|"]
    for row in results.ordered():
        _, ratio, caller = _figures(results, row)
        bars = "; ".join(map(_judged, results.verdicts(row)))
        lines.append(f"| {row.path.label} | {ratio} | {caller} | {bars} |")
    return "\n".join([*lines, "", _headline(results), "", *(f"* {line}" for line in _beyond(results)), ""])


def _figures(results: Results, row: Row) -> tuple[str, str, str]:
    ratio, caller = results.ratio(row), row.caller_us
    return (
        f"{row.per_second:,.0f}",
        "-" if ratio is None else f"{ratio:,.1f}",
        "-" if caller is None else f"{caller:,.1f}",
    )


def _judged(verdict: Verdict) -> str:
    if verdict.value is None:
        return f"{verdict.text}: not measured"
    return f"{verdict.text}: {verdict.value:,.2f} {'reached' if verdict.reached else 'NOT REACHED'}"


def _headline(results: Results) -> str:
    about = results.machine
    return (
        f"{about['date']}, {about['cpu']}, {about['system']}, load {about['load_before']} before, "
        f"{about['load_after']} after; {results.server}; "
        f"Python {about['python']}, Django {about['django']}, {about['go']}; text of 150 bytes, "
        f"{results.messages:,} messages (slow paths a tenth), medians of {results.rounds} interleaved rounds, "
        "of ratios too"
    )


def _aligned(cells: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        first, *middle, last = (
            cell.ljust(width) if index in (0, len(row) - 1) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *middle, last]).rstrip()
        if number == 0:
            yield "─" * min(sum(widths) + 2 * len(widths), 160)


def _beyond(results: Results) -> Iterator[str]:
    """Latency, fan-out, memory, and what is missing: a line each."""
    for backend, delay in results.latency.items():
        yield (
            f"latency {backend}: p50 {delay['p50']:.2f} ms, p99 {delay['p99']:.2f} ms "
            f"({delay['received']:.0f} of {delay['sent']:.0f} messages arrived)"
        )
    crowd = results.crowd
    if crowd:
        yield (
            f"fan-out to {crowd['clients']:,} subscribers: the last has it after {crowd['p50']:.1f} ms "
            f"(median of {crowd['times']}; worst {crowd['worst']:.1f} ms)"
        )
        if crowd["server_kb_before"] and crowd["server_kb_with_clients"]:
            before, during = crowd["server_kb_before"] / 1024, crowd["server_kb_with_clients"] / 1024
            yield f"memory of the server: {before:.0f} MB before, {during:.0f} MB with {crowd['clients']:,} subscribers"
    yield from events.lines(results.events)
    yield from windows.lines(results.windows)
    yield from streams.lines(results.sockets)
    yield from _memory(results)
    for what, reason in results.skipped.items():
        yield f"left out: {what}: {reason}"
    for what, reason in results.wrong.items():
        yield f"FAILED: {what}: {reason}"


def _memory(results: Results) -> Iterator[str]:
    """The peaks of each publishing process, and of the Go publisher that serves them all."""
    peaks, publisher = [], 0
    for row in results.ordered():
        own = [item.memory_kb for item in row.rounds if item.memory_kb]
        if row.path.kind == "ours" and own:
            peaks.append(f"{row.path.name} {max(own) / 1024:.0f}")
        if row.path.backend == "go":
            publisher = max([publisher, *(item.publisher_kb or 0 for item in row.rounds)])
    if peaks:
        yield f"memory of the Django process at its peak, MB: {', '.join(peaks)}"
    if publisher:
        yield f"memory of the Go publisher at its peak: {publisher / 1024:.0f} MB"
