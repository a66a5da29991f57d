"""The short form of the fault bench: one injection for each of these pairs. `make faults` runs all pairs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from instant.backends import go_publisher
from tests.conftest import need_server
from tests.faults.__main__ import BEGIN, END, PAGE, table
from tests.faults.running import Outcome, Pair, _disordered, pairs, run

pytestmark = pytest.mark.slow
#: On the devserver where there is no other: those that need nothing of a server but that it answers.
SHORT = [
    Pair("python", "Centrifugo", "half"),
    Pair("thread", "Centrifugo", "500"),
    Pair("go", "Centrifugo", "killed"),
    Pair("go", "Go publisher", "killed"),
    Pair("outbox", "PostgreSQL", "killed"),
    Pair("relay", "relay", "killed"),
    Pair("relay", "disk", "full"),
    Pair("calls", "Celery worker", "stopped"),
]


@pytest.mark.parametrize("pair", SHORT, ids=str)
def test_the_guarantees_hold(pair: Pair, tmp_path: Path) -> None:
    kind = "centrifugo" if pair.needs_centrifugo or shutil.which("centrifugo") else "dev"
    need_server(kind)
    if pair.backend == "go" and not os.access(go_publisher.BINARY, os.X_OK):
        pytest.skip("no binary of the publisher for this machine")
    if (kind == "centrifugo" or pair.backend == "calls") and shutil.which("redis-server") is None:
        pytest.skip("Redis: no redis-server on PATH")
    outcome = run(pair, kind, tmp_path, messages=1000, injections=1)
    assert outcome.faults(pair) == []
    assert outcome.taken > 0


def test_a_broken_guarantee_is_reported() -> None:
    bad = Outcome(taken=9, told=0, unknown=0, lost=1, doubled=2, disordered=3, injected=1, seconds=1.0)
    assert bad.faults(Pair("go", "Centrifugo", "killed")) == [
        "1 messages are lost that publish() had taken",
        "2 messages are there twice",
        "3 messages came too late",
    ]
    assert bad.faults(Pair("relay", "disk", "full"))[0] == "the disk was never full"
    lost, doubled, late = bad.faults(Pair("go", "Centrifugo", "killed"))
    assert bad.faults(Pair("calls", "Celery worker", "stopped")) == [lost, late]  # a call may run again
    assert bad.faults(Pair("calls", "Celery worker", "killed")) == [late]  # it was receiving them
    assert bad.faults(Pair("calls", "Centrifugo", "killed")) == [lost, doubled, late]
    assert bad.faults(Pair("go", "Redis", "killed")) == [lost, doubled]
    assert bad.faults(Pair("python", "Redis", "killed")) == [lost, doubled, late]
    assert bad.faults(Pair("outbox", "disk", "full"))[0] == "the disk was never full"


def test_the_order_is_that_of_each_sender_or_of_each_call() -> None:
    arrived = {"a": ["0:0", "0:51", "1:0", "0:50", "0:1"], "b": ["0:2"]}
    everything = {(channel, text) for channel, texts in arrived.items() for text in texts}
    assert _disordered(arrived, everything, None) == 2
    assert _disordered(arrived, everything, 50) == 1
    assert _disordered(arrived, everything - {("a", "0:50")}, 50) == 0


def test_the_page_has_a_row_for_each_pair() -> None:
    """A row that is missing was never measured."""
    good = Outcome(taken=1, told=0, unknown=0, lost=0, doubled=0, disordered=0, injected=1, seconds=1.0)
    wanted = [line.split("|")[1:3] for line in table({str(pair): good for pair in pairs()})]
    inside = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert [line.split("|")[1:3] for line in inside.strip().splitlines()] == wanted
