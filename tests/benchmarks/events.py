"""`python -m tests.benchmarks.events SAVES ROWS ROUNDS`: what an event class adds to save(), and emit_many().

The saves are Django's, whole, into a file of SQLite with Django's options: each commit waits for the disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import django
from django.db import transaction
from django.db.models.signals import post_save

from .server import Server

#: What an event class may add to a save: of one in PAUSE seconds, and with the outbox, which needs a transaction around
#: it, of one that has it.
BARS = {"save go": 0.10, "save-in-transaction outbox": 0.10, "emit_many": 3.0}
#: Seconds between saves, with an event class and without: it has left meanwhile, and takes no time of the next one.
PAUSE = 0.003
BACKENDS = ("go", "outbox", "python")
#: What is so while saves are measured.
Turn = Callable[[], AbstractContextManager[None]]
CHECKOUT = Path(__file__).resolve().parents[2]


def measured(server: Server, saves: int, rows: int, rounds: int) -> dict[str, float]:
    """Ratios: time that is added to a save by each backend, and emit_many() over publish_many() of the same.

    Raises:
        RuntimeError: a process failed.
    """
    found: dict[str, float] = {}
    for backend in BACKENDS:
        if backend == "go" and server.lacks(backend):
            continue
        with tempfile.TemporaryDirectory() as folder:
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}
            environment = {**server.environment(backend), "BENCH_DATABASE": json.dumps(database)}
            command = [sys.executable, "-m", "tests.benchmarks.events", *map(str, (saves, rows, rounds))]
            done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1])
        found.update(json.loads(done.stdout.splitlines()[-1]))
    return found


def lines(found: Mapping[str, float]) -> list[str]:
    """What there is to say of it."""
    said = []
    for name, value in found.items():
        bar = BARS.get(name)
        verdict = "" if bar is None else f" (≤ {bar:g}: {'reached' if value <= bar else 'NOT REACHED'})"
        said.append(f"model events, {name}: {value:.2f}{verdict}")
    return said


def clock(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def saves(posts: Sequence[Any]) -> Iterator[tuple[str, float]]:
    """Save each post by itself, with a pause and without, each in a transaction, and all in one; give the seconds that
    each save took."""
    for post in posts:
        time.sleep(PAUSE)
        yield "save", clock(_changed(post).save)
    for post in posts:
        yield "save-loop", clock(_changed(post).save)
    for post in posts:
        time.sleep(PAUSE)
        yield "save-in-transaction", clock(transaction.atomic(_changed(post).save))
    with_commit = time.perf_counter()
    with transaction.atomic():
        before_commit = [clock(_changed(post).save) for post in posts]
    yield "save-in-one", time.perf_counter() - with_commit
    for seconds in before_commit:
        yield "before-commit", seconds


_numbers = count()


def _changed(post: Any) -> Any:
    post.title = f"Post {next(_numbers):09}"  # SQLite writes nothing where nothing is new
    return post


@contextmanager
def registered(events: Any) -> Iterator[None]:
    """With an event class."""
    events().register()
    try:
        yield
    finally:
        events.unregister()


@contextmanager
def row_by_hand() -> Iterator[None]:
    """Without one, and each save followed by a row for the outbox: what the disk takes for it, and little else."""
    from instant.backends.outbox import _write_one
    from tests.blog.models import Post

    def write(using: str, **kwargs: object) -> None:
        _write_one(using, "x" * 400, 1)

    post_save.connect(write, Post)
    try:
        yield
    finally:
        post_save.disconnect(write, Post)


def added(turns: Sequence[Turn], posts: int, rounds: int) -> list[dict[str, float]]:
    """What each turn adds to a save, as a part of its time, by the kind of save: of medians, of turns one after the
    other, as a machine with other load has its moods."""
    from instant import flush
    from tests.blog.models import Post

    made = [Post.objects.create(title=f"Post {number}", text="x" * 100) for number in range(posts)]
    times: list[dict[str, list[float]]] = [defaultdict(list) for _ in (None, *turns)]
    for _ in range(rounds):
        for turn, found in zip((nullcontext, *turns), times, strict=True):
            with turn():
                made[0].save()
                for kind, seconds in saves(made):
                    found[kind].append(seconds)
            flush()
    first, *others = ({kind: median(each) for kind, each in found.items()} for found in times)
    return [{kind: each[kind] / first[kind] - 1 for kind in first} for each in others]


def emitting(events: Any, rows: int, rounds: int) -> float:
    """emit_many() of so many rows, over publish_many() of the same messages."""
    from instant import publish_many
    from instant.events import OP_UPDATE
    from instant.testing import capture_published
    from tests.blog.models import Post

    Post.objects.all().delete()
    Post.objects.bulk_create([Post(title=f"Post {number}", text="x" * 100) for number in range(rows)])
    query = Post.objects.order_by("pk")
    with capture_published() as published:
        events.emit_many(query, OP_UPDATE)
        same = [{"channel": m.channel, "data": m.data, "event_class": m.event_class} for m in published.messages]
    assert len(same) == rows
    return median(
        clock(lambda: events.emit_many(query, OP_UPDATE)) / clock(lambda: publish_many(same)) for _ in range(rounds)
    )


def main() -> None:
    """Measure with the backend of the environment, and report."""
    posts, rows, rounds = map(int, sys.argv[1:])
    django.setup()
    from django.core.management import call_command

    from instant.events import BaseEventModel
    from tests.blog.models import Post

    call_command("migrate", verbosity=0)

    class PostEvents(BaseEventModel):
        model = Post
        fields = ("id", "title", "text", "author")

    backend = os.environ["BENCH_BACKEND"]
    turns: list[Turn] = [partial(registered, PostEvents), *([row_by_hand] if backend == "outbox" else [])]
    of_events, *of_rows = added(turns, max(posts // 25, 10), 10 * rounds)
    found = {f"{kind} {backend}": value for kind, value in of_events.items()}
    for values in of_rows:
        found |= {f"{kind} outbox, a row by hand": value for kind, value in values.items()}
    if backend == "python":
        found["emit_many"] = emitting(PostEvents, rows, rounds)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
