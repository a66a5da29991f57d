"""The table of `make security`, and what it calls a broken promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.security import __main__ as report
from tests.security.__main__ import BEGIN, END, PAGE, Row, label


def test_all_classes_of_one_cause_are_one_row() -> None:
    names = {label(f"{name}: deleted") for name in ("Channel", "Board", "Wing")}
    assert names == {"channel deleted (through the model, a proxy, a child)"}
    assert label("groups.remove") == "`user.groups.remove(group)`"
    assert label("session row deleted") == "session row deleted"


@pytest.mark.parametrize(
    ("row", "faults"),
    [
        (Row([0.01, 0.99], [9.0, 11.0]), 0),
        (Row([0.01, 1.0], [9.0]), 1),
        (Row([0.01], [11.1, 3.0]), 1),
        (Row([1.5], [12.0]), 2),
        (Row([0.01], [9.0], [0.1, 0.99]), 0),
        (Row([0.01], [9.0], [1.0]), 1),
    ],
)
def test_a_figure_is_held_against_the_promise(row: Row, faults: int) -> None:
    assert len(row.faults(6)) == faults


def test_the_table_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "security.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    table = report.as_markdown({"a cause": Row([0.001, 0.003], [9.04], [0.1, 0.26])}, "About.")
    report.write(table)
    assert "| a cause | 2 ms | 3 ms | 9.0 s | 0.26 s |" in page.read_text()
    assert "old" not in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith(f"{END}\nafter\n")
    page.write_text("no comments")
    with pytest.raises(SystemExit, match="add both"):
        report.write(table)


def test_the_page_has_a_table_that_keeps_the_promises() -> None:
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    rows = re.findall(r"^\| (.+?) \| (\d+) ms \| (\d+) ms \| ([\d.]+) s \| ([\d.]+) s \|$", table, re.MULTILINE)
    ttl = re.search(r"INSTANT_CHANNEL_TOKEN_TTL = (\d+)", table)
    assert len(rows) > 30
    assert ttl is not None
    for name, _, most, last, strict in rows:
        assert int(most) < report.HONEST * 1000, name
        assert float(last) <= int(ttl[1]) + report.BEYOND_TOKEN, name
        assert float(strict) < report.STRICT, name
