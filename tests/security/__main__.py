"""Measure how soon clients are out after each cause that ends a right; print a table in Markdown.

The status is 1 where a figure is worse than what docs/security.md promises.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .measuring import ROOT, Site, running_site
from .strict import victim_of

PAGE = ROOT / "docs/security.md"
BEGIN, END = "<!-- make security: begin -->", "<!-- make security: end -->"
#: What docs/security.md promises, in seconds: of honest clients, of hostile ones beyond the channel token's life, and
#: of hostile ones of strict channels.
HONEST, BEYOND_TOKEN, STRICT = 1.0, 5.0, 1.0
#: Seconds that a hostile client is watched beyond that.
WATCH_LONGER = 8.0
#: Seconds that one of strict channels is watched: longer than their tokens last, which is 15.
WATCH_STRICT = 20.0
#: Ends the sessions of all victims, so it is measured alone.
EVERYBODYS = "all sessions deleted"
FAMILIES = {
    **dict.fromkeys(("Person", "Employee", "Guest"), "user"),
    **dict.fromkeys(("Group", "Crew", "Team"), "group"),
    **dict.fromkeys(("Channel", "Board", "Wing"), "channel"),
}
LABELS = {
    "user: is_active taken": "user deactivated",
    "user: is_superuser taken": "user loses `is_superuser`",
    "user: is_staff taken": "user loses `is_staff`",
    "user: deleted": "user deleted",
    "user: groups.clear": "`user.groups.clear()`",
    "user: groups.set": "`user.groups.set([])`",
    "user: password set": "password set by another user",
    "user: user_permissions.clear": "`user.user_permissions.clear()`, of a rule's permission",
    "user: user_permissions.remove": "`user.user_permissions.remove(…)`, of a rule's permission",
    "group: permissions.clear": "`group.permissions.clear()`, of a rule's permission",
    "group: permissions.remove": "`group.permissions.remove(…)`, of a rule's permission",
    "recheck of the user": "what a rule reads, then `recheck(users=[user])`",
    "recheck of the channel": "what a rule reads, then `recheck(channels=[name])`",
    "group: deleted": "group deleted",
    "group: people.clear": "`group.user_set.clear()`",
    "group: people.set": "`group.user_set.set([])`",
    "channel: deactivated": "channel deactivated",
    "channel: level raised": "channel gets a stricter level",
    "channel: renamed": "channel renamed",
    "channel: deleted": "channel deleted",
    "channel: groups.clear": "`channel.groups.clear()`",
    "channel: groups.set": "`channel.groups.set([])`",
    "groups.remove": "`user.groups.remove(group)`",
    "people.remove": "`group.user_set.remove(user)`",
    "logout": "`logout()`",
    "alogout": "`alogout()`",
    "session.flush": "`session.flush()`",
    "password changed": "password changed by the user",
    "clearsessions": "`manage.py clearsessions`, of an expired session",
}
THROUGH = " (through the model, a proxy, a child)"


@dataclass
class Row:
    """The figures of one cause, in seconds after the commit, through all classes and on all stacks."""

    honest: list[float] = field(default_factory=list)
    hostile: list[float] = field(default_factory=list)
    #: Of hostile clients, on sites whose channels are strict.
    strict: list[float] = field(default_factory=list)

    def faults(self, ttl: int) -> list[str]:
        """Return which promises these figures break, as text."""
        found = []
        if max(self.honest) >= HONEST:
            found.append(f"an honest client was out after {max(self.honest):.2f} s, promised is less than {HONEST:g} s")
        if max(self.hostile) > ttl + BEYOND_TOKEN:
            text = f"a hostile client was out after {max(self.hostile):.2f} s, promised are {ttl + BEYOND_TOKEN:g} s"
            found.append(text)
        if max(self.strict, default=0.0) >= STRICT:
            text = f"with strict a hostile client was out after {max(self.strict):.2f} s, promised are {STRICT:g} s"
            found.append(text)
        return found


def label(cause: str) -> str:
    """Return the name of the row that this cause counts in."""
    class_name, colon, rest = cause.partition(": ")
    name = f"{FAMILIES[class_name]}: {rest}" if colon else cause
    return LABELS.get(name, name) + (THROUGH if colon else "")


def measure(site: Site, rows: dict[str, Row], rounds: int, watch_for: float) -> None:
    """Add the figures of this site to the rows."""
    causes = site.causes()
    in_order = sorted(causes, key=lambda cause: cause == EVERYBODYS)  # at last
    for _ in range(rounds):
        for cause in in_order:
            rows.setdefault(label(cause), Row()).honest.append(victim_of(site, cause, **causes[cause]).honest())
    for batch in ([cause for cause in in_order if cause != EVERYBODYS], [EVERYBODYS]):
        victims = [victim_of(site, cause, **causes[cause]) for cause in batch]
        with ThreadPoolExecutor(len(victims)) as pool:
            found = pool.map(lambda victim: victim.hostile(watch_for), victims)
            for cause, last in zip(batch, found, strict=True):
                row = rows.setdefault(label(cause), Row())
                (row.strict if site.is_strict else row.hostile).append(last)


def as_markdown(rows: dict[str, Row], about: str) -> str:
    """Return the table, and below it what the figures are about."""
    lines = [
        "| cause | honest, p50 | honest, max | hostile, max | hostile with `strict`, max |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {statistics.median(row.honest) * 1000:.0f} ms | {max(row.honest) * 1000:.0f} ms "
            f"| {max(row.hostile):.1f} s | {max(row.strict):.2f} s |"
            for name, row in rows.items()
        ),
    ]
    return "\n".join(lines) + f"\n\n{about}\n"


def write(table: str) -> None:
    """Replace what stands between the two comments of docs/security.md."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE.name} has no {BEGIN} and {END}: add both, on lines of their own")
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on each stack; the status is 1 where a promise is broken."""
    options = _options(arguments)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # hostile clients drop connections as they like
    if options.server == "dev":
        print("No Centrifugo on PATH, or --server dev: measured with the devserver.", file=sys.stderr)
    times: dict[str, Any] = {"STAFFING_CHANNEL_TOKEN_TTL": str(options.ttl), "STAFFING_TOKEN_TTL": "30"}
    rows: dict[str, Row] = {}
    for stack in options.stacks:
        print(f"measuring on {stack} …", file=sys.stderr, flush=True)
        with _site(stack, options.server, **times) as site:
            measure(site, rows, options.rounds, options.ttl + BEYOND_TOKEN + WATCH_LONGER)
        with _site(stack, options.server, STAFFING_STRICT="1") as site:
            measure(site, rows, 1, WATCH_STRICT)
    table = as_markdown(rows, _about(options))
    print(table)
    if options.write:
        write(table)
    faults = [f"{name}: {fault}" for name, row in rows.items() for fault in row.faults(options.ttl)]
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


@contextmanager
def _site(stack: str, server: str, **environment: str) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder, running_site(Path(folder), stack, server, **environment) as site:
        yield site


def _about(options: argparse.Namespace) -> str:
    server = "Centrifugo" if options.server == "centrifugo" else "the devserver"
    return (
        f"Measured by `make security` with {server}, on {' and '.join(options.stacks)}, SQLite and "
        f"{os.cpu_count()} cores. Times are counted from the commit. Honest clients: {options.rounds} for each cause, "
        f"class and stack, and one with `INSTANT_STRICT`, one after another. Hostile clients: one for each cause, "
        f"class and stack, at the same time, with `INSTANT_CHANNEL_TOKEN_TTL = {options.ttl}`; promised are "
        f"{options.ttl + BEYOND_TOKEN:g} seconds, with `strict` {STRICT:g} second."
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.security", description=__doc__)
    default = "centrifugo" if shutil.which("centrifugo") else "dev"
    parser.add_argument("--server", choices=("centrifugo", "dev"), default=default, help="default: centrifugo on PATH")
    parser.add_argument("--stacks", nargs="+", default=["gunicorn", "uvicorn"], help="default: gunicorn uvicorn")
    parser.add_argument("--rounds", type=int, default=2, help="honest clients of a cause; default: 2")
    parser.add_argument("--ttl", type=int, default=6, help="INSTANT_CHANNEL_TOKEN_TTL, in seconds; default: 6")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/security.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
