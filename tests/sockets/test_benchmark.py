"""The benchmark of sockets runs, counts on_close, and compares like with like."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import streams
from tests.snippets import ROOT


@pytest.mark.slow
@pytest.mark.usefixtures("centrifugo")
def test_it_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", "sockets", "--json", tmp_path / "b.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr + done.stdout
    for what in ("opened in ", "an echo meanwhile, p50 ", r"\d+ kB of the worker a socket, "):
        assert re.search(f"20 sockets: {what}", done.stdout)
    for what in ("clients are", "server is"):
        assert f"after the {what} killed" in done.stdout
    assert "left out: django-channels: needs PEERS=1" in done.stdout
    written = json.loads((tmp_path / "b.json").read_text())["sockets"]
    assert set(written["beside"]) == {kind for kind in streams.KINDS if not kind.startswith("channels")}


def test_consumers_of_one_sort_are_compared() -> None:
    def figures(per_second: float, kb: int) -> dict[str, object]:
        return {"sockets": 200, "per_second": per_second, "p50": 1.0, "kb": {"1": kb // 2, "2": kb // 2}}

    found = {
        "beside": {
            "centrifugo/plain": [figures(100, 4096), figures(300, 4096)],
            "centrifugo/async": [figures(1000, 4096), figures(1000, 4096)],
            "channels/plain": [figures(50, 2048), figures(100, 2048)],
            "channels/async": [figures(500, 2048), figures(500, 2048)],
        }
    }
    said = dict(zip(found["beside"], streams.lines(found), strict=True))
    assert ": 200 echoes/s" in said["centrifugo/plain"]
    assert said["centrifugo/plain"].endswith("4 MB; 2.50x the echoes of django-channels, 2.00x its memory")
    assert said["centrifugo/async"].endswith("2.00x the echoes of django-channels, 2.00x its memory")
    assert "x the echoes" not in said["channels/plain"]


def test_bars_are_judged() -> None:
    crowd = {
        "sockets": 1000, "opening": 4.9, "p50": 5.5, "p99": 9.0, "kb_a_socket": {"1": 80.0, "2": 40.0},
        "clients_killed": 1.9, "server_killed": 2.1,
    }  # fmt: skip
    said = list(streams.lines({"crowd": crowd}))
    assert ["NOT REACHED" in line for line in said] == [False, True, False, False, True]
    assert said[2] == "1,000 sockets: 40 kB of the worker a socket, 80 kB of the server"
