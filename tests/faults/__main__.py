"""Run all pairs of a backend and a fault, check the guarantees for every message, and print a table in Markdown.

The exit status is 1 if a guarantee does not hold. Each result is saved in the virtual environment at once; `--resume`
runs only the pairs that have none.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
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
    "slow": "0.2 s late",
    "cut": "every tenth request or packet breaks the connection",
    "500": "answers 500",
    "garbage": "answers garbage",
    "half": "answers half",
    "stopped": "stopped for 5 s",
}


def table(found: Mapping[str, Outcome]) -> Iterator[str]:
    yield "| published with | fault | times | accepted | failed | lost | duplicated | out of order |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for pair in pairs():
        if outcome := found.get(str(pair)):
            fault = f"{pair.part}: {WHAT.get(pair.fault, pair.fault)}"
            figures = (outcome.injected, outcome.taken, outcome.told, outcome.lost, outcome.doubled, outcome.disordered)
            yield f"| {NAMES[pair.backend]} | {fault} | {' | '.join(f'{figure:,}' for figure in figures)} |"


class Results(dict[str, Outcome]):
    """The outcome of each pair, by its name; saved in a file."""

    def __init__(self, messages: int, injections: int) -> None:
        self._path = Path(sys.prefix) / f"faults-{messages}-{injections}.json"
        self._lock = threading.Lock()
        if self._path.exists():
            state = json.loads(self._path.read_text())
            self.update({name: Outcome(**outcome) for name, outcome in state.items()})

    def save(self, changes: Mapping[str, Outcome | None]) -> None:
        """Change these outcomes, and remove those that are None."""
        with self._lock:
            for name, outcome in changes.items():
                self.pop(name, None)
                if outcome is not None:
                    self[name] = outcome
            self._path.write_text(json.dumps({name: asdict(each) for name, each in self.items()}))


def try_pair(pair: Pair, results: Results, options: argparse.Namespace) -> list[str]:
    """Run the pair unless there is a result of it, and return the guarantees that do not hold."""
    if str(pair) not in results:
        with tempfile.TemporaryDirectory(prefix="instant-faults-") as folder:
            try:
                outcome = run(pair, "centrifugo", Path(folder), options.messages, options.injections)
            except AssertionError as error:
                print(f"{pair}: {error}", file=sys.stderr, flush=True)
                return ["the run failed"]
        results.save({str(pair): outcome})
    faults = results[str(pair)].faults(pair)
    print(f"{pair}: {results[str(pair)]}", *faults, sep="\n  ", file=sys.stderr, flush=True)
    return faults


def write(results: Results) -> list[str]:
    """Write the table into the page, and return the pairs without which that cannot be done."""
    missing = [str(pair) for pair in pairs() if str(pair) not in results]
    if not missing:
        head, _, rest = PAGE.read_text().partition(BEGIN)
        text = "\n".join(table(results))
        PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
    return missing


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000, help="of each run (%(default)s)")
    parser.add_argument("--injections", type=int, default=20, help="of each run (%(default)s)")
    parser.add_argument("--jobs", type=int, default=4, help="runs side by side (%(default)s)")
    parser.add_argument("--only", default="", help="only pairs whose name contains this text")
    parser.add_argument("--resume", action="store_true", help="run only the pairs without a saved result")
    parser.add_argument("--write", action="store_true", help="write the table into docs/guarantees.md")
    options = parser.parse_args(words)
    try:
        binary.find_binary()
    except InstantError as error:
        print(f"the fault bench needs a Centrifugo: {error}", file=sys.stderr)
        return 2
    # The long ones first: else the last one would run alone.
    wanted = sorted((pair for pair in pairs() if options.only in str(pair)), key=lambda pair: pair.fault != "stopped")
    results = Results(options.messages, options.injections)
    if not options.resume:
        results.save({str(pair): None for pair in wanted})
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda pair: try_pair(pair, results, options), wanted)
    broken = {str(pair): faults for pair, faults in zip(wanted, found, strict=True) if faults}
    if options.write:
        broken |= {name: ["without its result the page is not written"] for name in write(results)}
    else:
        print("\n".join(table(results)))
    for name, faults in broken.items():
        print(f"{name}: {'; '.join(faults)}", file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
