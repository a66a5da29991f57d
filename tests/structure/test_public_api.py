"""The public API is that of commit 8ff51c4, except for the changes that public_api_changes.json lists with reasons."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
#: The API before the modules moved.
SNAPSHOT = HERE / "public_api.json"
#: Names that may differ from the snapshot, each with the reason: {"instant.x.y": "why"}.
CHANGES = HERE / "public_api_changes.json"
DOCUMENTED = HERE / "documented_paths.json"

Table = dict[str, str]
NOTHING = "nothing"


def read(path: Path) -> Table:
    table: Table = json.loads(path.read_text(encoding="utf-8"))
    return table


def differences(before: Table, now: Table) -> dict[str, tuple[str, str]]:
    """Return what each name was and is, where that is not the same."""
    pairs = {name: (before.get(name, NOTHING), now.get(name, NOTHING)) for name in sorted({*before, *now})}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def shown(found: dict[str, tuple[str, str]], documented: frozenset[str] = frozenset()) -> str:
    """Return the differences as text, one name a paragraph."""
    return "\n".join(
        f"{name}{' (documented)' * (name in documented)}\n    was: {before}\n    is:  {now}"
        for name, (before, now) in found.items()
    )


@pytest.fixture(scope="module")
def now() -> Table:
    """The public API of this tree, read in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, str(HERE / "public_api.py"), "--known", str(SNAPSHOT)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table: Table = json.loads(done.stdout)
    return table


@pytest.fixture(scope="module")
def found(now: Table) -> dict[str, tuple[str, str]]:
    return differences(read(SNAPSHOT), now)


def test_the_public_api_has_no_other_changes_than_those_listed(found: dict[str, tuple[str, str]]) -> None:
    unlisted = {name: pair for name, pair in found.items() if name not in read(CHANGES)}
    documented = frozenset(f"{path['module']}.{path['name']}" for path in json.loads(DOCUMENTED.read_text())["paths"])
    assert not unlisted, (
        f"{len(unlisted)} names of the public API differ from the snapshot. Undo each change, or list it in "
        f"{CHANGES.name} with the reason.\n{shown(unlisted, documented)}"
    )


def test_each_listed_change_is_one_and_has_a_reason(found: dict[str, tuple[str, str]]) -> None:
    changes = read(CHANGES)
    stale = sorted(name for name in changes if name not in found)
    assert not stale, f"{CHANGES.name} lists names that do not differ from the snapshot: {', '.join(stale)}"
    assert all(reason.strip() for reason in changes.values())


def test_a_difference_says_what_was_and_what_is() -> None:
    before, after = {"instant.a": "def ()", "instant.b": "1"}, {"instant.a": "def (x)", "instant.c": "2"}
    assert shown(differences(before, after), frozenset({"instant.b"})).splitlines() == [
        "instant.a",
        "    was: def ()",
        "    is:  def (x)",
        "instant.b (documented)",
        "    was: 1",
        "    is:  nothing",
        "instant.c",
        "    was: nothing",
        "    is:  2",
    ]
