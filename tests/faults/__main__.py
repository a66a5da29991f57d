"""Run all pairs of a backend and a fault, check the guarantees for every message, and print a table in Markdown.

The exit status is 1 if a guarantee does not hold. Results are kept in the virtual environment, so that an interrupted
run continues; `--anew` starts again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
import django

django.setup()

from instant.centrifugo import binary  # noqa: E402
from instant.exceptions import InstantError  # noqa: E402

from .parts import ROOT  # noqa: E402
from .running import Outcome, Pair, pairs, run  # noqa: E402

PAGE = ROOT / "docs/guarantees.md"
BEGIN, END = "<!-- make faults: begin -->", "<!-- make faults: end -->"
STATE = Path(sys.prefix) / "faults.json"
NAMES = {
    "python": '`"python"`',
    "thread": '`"thread"`',
    "go": '`"go"`',
    "outbox": "outbox, PostgreSQL consumer",
    "relay": "outbox, `relayoutbox`",
    "calls": "a signal's function in Celery",
    "installws": "`manage.py installws`",
}
WHAT = {
    "slow": "answers 0.2 s late",
    "cut": "every tenth connection cut",
    "500": "answers 500",
    "garbage": "answers garbage",
    "half": "half of an answer",
    "stopped": "stopped for 5 s",
}


def table(found: dict[str, Outcome]) -> Iterator[str]:
    yield "| published with | fault | times | accepted | failed | lost | duplicated | out of order |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for pair in pairs():
        if outcome := found.get(str(pair)):
            fault = f"{pair.part}: {WHAT.get(pair.fault, pair.fault)}"
            figures = (outcome.injected, outcome.taken, outcome.told, outcome.lost, outcome.doubled, outcome.disordered)
            yield f"| {NAMES[pair.backend]} | {fault} | {' | '.join(f'{figure:,}' for figure in figures)} |"


def kept(options: argparse.Namespace) -> dict[str, Outcome]:
    """Return the results of an interrupted run with the same numbers."""
    if options.anew or not STATE.exists():
        return {}
    state = json.loads(STATE.read_text())
    if state["of"] != [options.messages, options.injections]:
        return {}
    return {name: Outcome(**outcome) for name, outcome in state["found"].items()}


def keep(options: argparse.Namespace, found: dict[str, Outcome]) -> None:
    outcomes = {name: asdict(outcome) for name, outcome in found.items()}
    STATE.write_text(json.dumps({"of": [options.messages, options.injections], "found": outcomes}))


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000, help="of each run (%(default)s)")
    parser.add_argument("--injections", type=int, default=20, help="of each run (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side (%(default)s)")
    parser.add_argument("--only", default="", help="only pairs whose name contains this text")
    parser.add_argument("--anew", action="store_true", help="discard earlier results")
    parser.add_argument("--write", action="store_true", help="write the table into docs/guarantees.md")
    options = parser.parse_args(words)
    try:
        binary.find_binary()
    except InstantError as error:
        print(f"the fault bench needs a Centrifugo: {error}", file=sys.stderr)
        return 2
    found = kept(options)

    def one(pair: Pair) -> list[str]:
        if str(pair) not in found:
            with tempfile.TemporaryDirectory(prefix="instant-faults-") as folder:
                try:
                    found[str(pair)] = run(pair, "centrifugo", Path(folder), options.messages, options.injections)
                except AssertionError as error:
                    print(f"{pair}: {error}", file=sys.stderr, flush=True)
                    return ["the run failed"]
            keep(options, found)
        faults = found[str(pair)].faults(pair)
        print(f"{pair}: {found[str(pair)]}", *faults, sep="\n  ", file=sys.stderr, flush=True)
        return faults

    # The long ones first: else the last one would run alone.
    wanted = sorted((pair for pair in pairs() if options.only in str(pair)), key=lambda pair: pair.fault != "stopped")
    with ThreadPoolExecutor(options.jobs) as pool:
        broken = {str(pair): faults for pair, faults in zip(wanted, pool.map(one, wanted), strict=True) if faults}
    text = "\n".join(table(found))
    if options.write:
        head, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
    else:
        print(text)
    for name, faults in broken.items():
        print(f"{name}: {'; '.join(faults)}", file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
