"""Run all tests, and report the result in the last lines, as `make test` does: `python -m tests.gate [PYTEST OPTIONS]`.

At most MOST_REPEATED tests that failed are run again by themselves. Those that pass then are listed as FLAKY, with the
traceback of their failure. SEED in the environment repeats the order of a run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: A run in which more tests fail has failed.
MOST_REPEATED = 2
#: More processes than processors: most tests wait for servers and browsers.
PROCESSES = 4
#: pytest's exit status if tests failed.
TESTS_FAILED = 1


@dataclass
class Result:
    """The failures of a run, as (test, traceback), and its exit status."""

    status: int
    failures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.failures))


def judge(first: Result, again: Result | None) -> tuple[bool, list[tuple[str, str]], list[str]]:
    """Return whether the tests have passed, the flaky ones with their first traceback, and the names of the failed."""
    if first.status == 0:
        return True, [], []
    if again is None:
        return False, [], first.names
    texts = dict(reversed(first.failures))
    flaky = [(name, texts[name]) for name in first.names if name not in again.names]
    return again.status == 0, flaky, again.names


def may_repeat(first: Result) -> bool:
    return first.status == TESTS_FAILED and 0 < len(first.names) <= MOST_REPEATED


def run(arguments: Iterable[str], folder: Path) -> Result:
    """Run pytest; tests.conftest writes the failures to the file that FAILED_TESTS names."""
    path = folder / "failed"
    path.unlink(missing_ok=True)
    environment = {**os.environ, "FAILED_TESTS": str(path)}
    status = subprocess.call([sys.executable, "-m", "pytest", "-q", *arguments], cwd=ROOT, env=environment)
    lines = path.read_text().splitlines() if path.exists() else []
    return Result(status, [(each["test"], each["text"]) for each in map(json.loads, lines)])


def frontend() -> bool:
    """Run the tests of the JavaScript client, unless its npm packages are missing."""
    if not (ROOT / "frontend/node_modules").is_dir():
        return True
    environment = {**os.environ, "INSTANT_PYTHON": sys.executable}
    return subprocess.call(["npm", "run", "--silent", "test"], cwd=ROOT / "frontend", env=environment) == 0


def report(title: str, lines: Sequence[str]) -> None:
    if lines:
        print(f"{title}:")
        for line in lines:
            print(f"  {line}")


def main(arguments: Sequence[str]) -> int:
    folder = Path(sys.prefix)
    seed = os.environ.setdefault("SEED", str(random.SystemRandom().randrange(10**6)))
    print(f"The order of the tests is random: SEED={seed}", flush=True)
    frontend_passed = frontend()
    # Compiled beforehand: before Python 3.12, two threads that compile at the same time can disturb each other.
    subprocess.call([sys.executable, "-m", "compileall", "-q", "instant", "tests"], cwd=ROOT)
    options = ["-n", str(PROCESSES), "--dist", "worksteal", "--durations", "20", f"--randomly-seed={seed}"]
    first, again = run([*options, *arguments], folder), None
    if may_repeat(first):
        report("AGAIN, by themselves", first.names)
        sys.stdout.flush()
        again = run(["-p", "no:randomly", *first.names], folder)
    passed, flaky, failed = judge(first, again)
    missing = folder / "missing"
    report("LEFT OUT on this machine", missing.read_text().splitlines() if missing.exists() else [])
    for name, text in flaky:
        report(f"FLAKY: {name}", text.splitlines())
    report("FAILED", failed)
    if not frontend_passed:
        print("FAILED: the tests of the JavaScript client, see above")
    print(f"SEED={seed} repeats this order.")
    if not (passed and frontend_passed):
        print("NOT green: see above.")
        return 1
    print(f"Green, but {len(flaky)} FLAKY: see above." if flaky else "All green.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
