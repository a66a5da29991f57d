"""The benchmarks run, count what they send, and say so; how fast anything is on this machine is no test's business."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from instant.conf import conf
from instant.testing import LiveServer
from tests.benchmarks import counter, paths, rounds, venvs, windows
from tests.benchmarks.report import Results, as_markdown, as_text
from tests.benchmarks.server import Server

CHECKOUT = Path(__file__).resolve().parents[1]
MACHINE = {
    "date": "2026-01-02",
    "cpu": "8 x Z80",
    "system": "CP/M",
    "load_before": "0.0",
    "load_after": "9.9",
    "python": "3",
    "django": "6",
    "go": "go1",
}


def bench(*arguments: str | Path, **environment: str) -> tuple[str, str]:
    """Run the program, and return what it printed to its output and to its errors."""
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout, done.stderr


def given(server: LiveServer) -> list[str]:
    return ["--server", server.url, "--api-key", conf.api_key, "--hmac-key", conf.hmac_key]


@pytest.mark.slow
@pytest.mark.parametrize("server_kind", ["dev"])
def test_all_parts_against_a_given_server(server: LiveServer, tmp_path: Path) -> None:
    names = ["urllib3", "urllib3-batch", "cent", "python", "many", "on-commit", "outbox", "latency", "fan-out"]
    options = ["--quick", "--rounds", "2", "--messages", "20", "--json", tmp_path / "bench.json"]
    table, said = bench(*given(server), *options, "--only", *names)

    assert f"measuring the server at {server.url}" in said
    heads = next(line for line in table.splitlines() if line.startswith("path"))
    assert [head.strip() for head in heads.split("  ") if head.strip()] == [
        *("path", "messages", "per second", "x existing", "µs a call", "counted", "bars")
    ]
    (line,) = (line for line in table.splitlines() if line.startswith("publish() python"))
    assert "yes" in line.split()
    assert "≥ 4x existing: not measured; ≥ 0.9x urllib3: " in line
    assert "latency python: p50 " in table
    assert "(50 of 50 messages arrived)" in table
    assert "fan-out to 100 subscribers: the last has it after " in table
    assert "memory of the Django process at its peak, MB: python " in table
    assert "left out: outbox: " in table

    written = json.loads((tmp_path / "bench.json").read_text())
    assert {"machine", "server", "rounds", "messages", "rows", "latency_ms", "fan_out", "skipped"} <= set(written)
    rows = {row["name"]: row for row in written["rows"]}
    assert list(rows) == ["cent", "urllib3", "urllib3-batch", "python", "many", "on-commit"]
    for name, row in rows.items():
        count = 2 if name == "cent" else 20  # a slow path
        assert [each["counted"] for each in row["rounds"]] == [count, count]
        assert row["messages"] == count
        assert row["per_second"] > 0


@pytest.mark.slow
def test_it_starts_a_server_of_its_own_and_says_which(tmp_path: Path) -> None:
    table, said = bench("--quick", "--messages", "5", "--only", "python", "--json", tmp_path / "b.json", "--markdown")
    expected = "Centrifugo" if shutil.which("centrifugo") else "devserver"
    assert f"measuring {expected}" in said
    assert expected in table
    assert "| publish() python |" in table


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("go") is None, reason="no Go on PATH")
def test_the_ceiling(server: LiveServer, tmp_path: Path) -> None:
    bench(*given(server), "--quick", "--messages", "2345", "--only", "ceiling", "--json", tmp_path / "bench.json")
    (row,) = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert row["rounds"][0]["counted"] == 2345
    assert row["caller_us"] is None


@pytest.mark.slow
@pytest.mark.skipif(not (venvs.HOME / "existing").is_dir(), reason="its venv is made by `make bench`")
def test_the_existing_package(server: LiveServer, tmp_path: Path) -> None:
    bench(*given(server), "--quick", "--messages", "50", "--only", "existing", "--json", tmp_path / "bench.json")
    (row,) = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert row["rounds"][0]["counted"] == 5
    assert row["times_existing"] == 1


class Told(rounds.Run):
    """A run whose process reports without sending."""

    def _figures(self, path: paths.Path, command: list[str]) -> paths.Round:
        return paths.Round(messages=self.messages, caller=1.0, total=2.0)


@pytest.fixture
def python_path() -> paths.Path:
    return next(path for path in paths.PATHS if path.name == "python")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> rounds.Run:
    monkeypatch.setattr(counter, "count", lambda channel: 7)
    return Told(Server("none", "http://127.0.0.1:1", "key"), "bench", 3, 7, None, said.append)


def test_what_the_server_did_not_count_is_a_failure(
    told: rounds.Run, python_path: paths.Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "count", lambda channel: 7 if channel.endswith("_1") else 6)
    rows, wrong = rounds.measure([python_path], {"python": []}, told)
    assert rows == {}
    assert wrong == {"python": "the server counted 6 of 7 messages"}
    assert len(said) == 2  # it is not tried a third time


def test_without_history_the_metrics_count(
    told: rounds.Run, python_path: paths.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals = iter([100, 108])
    monkeypatch.setattr(counter, "published", lambda: next(totals))
    told.with_history = False
    assert told.once(python_path, [], 1).counted == 7  # and one to warm up


def row(name: str, *totals: float, **extra: Any) -> paths.Row:
    path = next(path for path in paths.PATHS if path.name == name)
    return paths.Row(path, [paths.Round(messages=1000, caller=total / 2, total=total, **extra) for total in totals])


@pytest.fixture
def results() -> Results:
    rows = {
        each.path.name: each
        for each in (row("existing", 9, 10, 11), row("python", 2, 1, 50), row("urllib3", 1.9, 0.95, 1.9))
    }
    return Results("a server", 3, 1000, rows, skipped={"go": "not there"}, wrong={"many": "broken"}, machine=MACHINE)


def test_bars_are_judged_by_medians_of_the_same_run(results: Results) -> None:
    existing, urllib3 = results.verdicts(results.rows["python"])
    assert (existing.value, existing.reached) == (4.5, True)  # of 4.5, 10 and 0.22
    assert urllib3.reached is True
    results.rows["urllib3"] = row("urllib3", 1.0, 0.5, 1.0)
    assert results.verdicts(results.rows["python"])[1].reached is False


def test_a_bar_of_the_caller_and_one_of_the_database() -> None:
    thread = row("thread", 0.02)  # 10 µs a call
    assert [bar.judge(thread, {}).reached for bar in thread.path.bars] == [None, None, True]
    *_, caller = (bar.judge(row("go", 0.05), {"thread": thread}) for bar in row("go", 0.05).path.bars)
    assert (caller.value, caller.reached) == (2.5, False)
    outbox = row("outbox", 2.0, insert=0.4)
    (verdict,) = (bar.judge(outbox, {}) for bar in outbox.path.bars)
    assert verdict.text.endswith("= 1.80 s")
    assert verdict.reached is False


def test_the_table_says_what_is_missing(results: Results) -> None:
    text = as_text(results)
    assert "≥ 4x existing: 4.50 reached" in text
    assert "left out: go: not there" in text
    assert "FAILED: many: broken" in text


def test_the_markdown_has_ratios_the_day_and_the_machine(results: Results) -> None:
    lines = as_markdown(results).splitlines()
    assert "| publish() python | 4.5 | 1,000.0 | ≥ 4x existing: 4.50 reached; ≥ 0.9x urllib3: 0.95 reached |" in lines
    assert any(line.startswith("2026-01-02, 8 x Z80") and "medians of 3 interleaved rounds" in line for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("server_kind", ["dev"])
def test_model_events(server: LiveServer, tmp_path: Path) -> None:
    table, _ = bench(*given(server), "--quick", "--only", "events", "--json", tmp_path / "bench.json")
    assert "model events, emit_many: " in table
    assert "model events, save outbox: " in table
    written = json.loads((tmp_path / "bench.json").read_text())
    assert {"save outbox", "save-in-one outbox", "save python", "emit_many"} <= set(written["events"])


@pytest.mark.slow
def test_windows(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    table, _ = bench("--quick", "--clients", "20", "--only", "windows", "--json", tmp_path / "bench.json")
    assert "call over the websocket: " in table
    assert "POST to the same view: " in table
    assert "one trigger for 20 windows of a topic each: the last has it after " in table
    assert "left out: django-channels: needs PEERS=1" in table
    written = json.loads((tmp_path / "bench.json").read_text())["windows"]
    assert set(written) == {"rpc", "door", "post", "crowd shared", "crowd own"}
    assert len(written["rpc"][0]["per_second"]) == 1


def test_a_given_server_does_not_call_our_django(server: LiveServer, tmp_path: Path) -> None:
    table, _ = bench(*given(server), "--quick", "--only", "windows", "--json", tmp_path / "bench.json")
    assert "left out: windows: a given server" in table


def test_calls_are_compared_block_by_block() -> None:
    figures = {"p50": 1.0, "p99": 2.0, "site_us": 500.0}
    found: windows.Figures = {
        "rpc": [{**figures, "per_second": [90.0, 10.0]}, {**figures, "per_second": [80.0]}],
        "door": [{**figures, "per_second": [100.0, 11.0]}, {**figures, "per_second": [100.0]}],
        "post": [{**figures, "per_second": [200.0, 20.0]}, {**figures, "per_second": [200.0]}],
        "channels": [{**figures, "per_second": [45.0, 5.0]}, {**figures, "per_second": [40.0]}],
        "crowd shared": [{"clients": 9, "p50": 4.0}],
        "crowd channels": [{"clients": 9, "p50": 8.0}],
    }
    said = list(windows.lines(found))
    assert said[0].startswith("call over the websocket: 80/s of 16 callers; one alone waits p50 1.00 ms, p99 2.00 ms")
    assert said[1].endswith(
        "500 µs of the WSGI server's CPU; over the websocket 0.90x as many (≥ 0.9: reached), 1.00x by that CPU"
    )
    assert "over the websocket 0.45x as many (≥ 0.9: NOT REACHED)" in said[2]
    assert said[3].endswith("p99 2.00 ms; over the websocket 2.00x as many")
    assert said[5].endswith("the last has it after 8.0 ms; ours takes 0.50x as long")
