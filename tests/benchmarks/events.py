"""`python -m tests.benchmarks.events COUNT ROWS ROUNDS`: what an event class adds to save(), and emit_many()."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import django
from django.db import transaction

from .server import Server

#: Of an event class to a save with these backends: in a transaction for each, and 1,000 in one.
SAVE_BAR, SAVE_BACKENDS = 0.10, ("go", "outbox")
EMIT_BAR = 3.0
CHECKOUT = Path(__file__).resolve().parents[2]


def measured(server: Server, count: int, rows: int, rounds: int) -> dict[str, float]:
    """Ratios: time that is added to a save by each backend, and emit_many() over publish_many() of the same.

    Raises:
        RuntimeError: a process failed.
    """
    found: dict[str, float] = {}
    for backend in (*SAVE_BACKENDS, "python"):
        if backend == "go" and server.lacks(backend):
            continue
        with tempfile.TemporaryDirectory() as folder:
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}
            environment = {**server.environment(backend), "BENCH_DATABASE": json.dumps(database)}
            command = [sys.executable, "-m", "tests.benchmarks.events", *map(str, (count, rows, rounds))]
            done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1])
        found.update(json.loads(done.stdout.splitlines()[-1]))
    return found


def lines(found: Mapping[str, float]) -> list[str]:
    """What there is to say of it."""
    said = []
    for name, value in found.items():
        kind, _, backend = name.partition(" ")
        bar = {"save": SAVE_BAR, "emit_many": EMIT_BAR}.get(kind) if backend in SAVE_BACKENDS or not backend else None
        verdict = "" if bar is None else f" (≤ {bar:g}: {'reached' if value <= bar else 'NOT REACHED'})"
        said.append(f"model events, {name}: {value:.2f}{verdict}")
    return said


def clock(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def added(make: Callable[[], Any], count: int, rounds: int, each: bool) -> float:
    """The part of a save's time that an event class adds: of medians, of blocks with it and without it by turns.

    A block is a transaction, of one save or of a hundred; a machine with other load has its moods.
    """
    from tests.blog.models import Post

    def save(block: list[Any]) -> None:
        with transaction.atomic():
            for post in block:
                post.save()

    size = 1 if each else 100
    posts = [Post.objects.create(title=f"Post {number}", text="x" * 100) for number in range(max(count // 10, size))]
    blocks = [posts[start : start + size] for start in range(0, len(posts), size)]
    times: tuple[list[float], list[float]] = [], []
    for number in range(20 * rounds):
        events = make() if number % 2 else None
        save(blocks[0])
        times[number % 2].extend(clock(lambda block=block: save(block)) for block in blocks)  # type: ignore[misc]
        if events:
            events.unregister()
    return median(times[1]) / median(times[0]) - 1


def emitting(make: Callable[[], Any], rows: int, rounds: int) -> float:
    """emit_many() of so many rows, over publish_many() of the same messages."""
    from instant import publish_many
    from instant.events import OP_UPDATE
    from instant.testing import capture_published
    from tests.blog.models import Post

    Post.objects.all().delete()
    Post.objects.bulk_create([Post(title=f"Post {number}", text="x" * 100) for number in range(rows)])
    events, query = make(), Post.objects.order_by("pk")
    with capture_published() as published:
        events.emit_many(query, OP_UPDATE)
        same = [{"channel": m.channel, "data": m.data, "event_class": m.event_class} for m in published.messages]
    assert len(same) == rows
    return median(
        clock(lambda: events.emit_many(query, OP_UPDATE)) / clock(lambda: publish_many(same)) for _ in range(rounds)
    )


def main() -> None:
    """Measure with the backend of the environment, and report."""
    count, rows, rounds = map(int, sys.argv[1:])
    django.setup()
    from django.core.management import call_command

    from instant.events import BaseEventModel
    from tests.blog.models import Post

    call_command("migrate", verbosity=0)

    class PostEvents(BaseEventModel):
        model = Post
        fields = ("id", "title", "text", "author")

    def make() -> Any:
        PostEvents().register()
        return PostEvents

    backend = os.environ["BENCH_BACKEND"]
    found = {
        f"save {backend}": added(make, count, rounds, each=True),
        f"save-in-one {backend}": added(make, count, rounds, each=False),
    }
    if backend == "python":
        found["emit_many"] = emitting(make, rows, rounds)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
