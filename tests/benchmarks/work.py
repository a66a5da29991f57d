"""`python -m tests.benchmarks.work PATH CHANNEL COUNT WARM_UP`: our own paths, in a process of their own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import django
from django.db import transaction

from . import outbox
from .paths import TEXT
from .timing import PATIENCE, report, timed


def flush() -> None:
    """Wait for the last acknowledgement."""
    import instant

    if not instant.flush(PATIENCE):
        raise SystemExit("flush() did not see everything acknowledged")


def one_by_one(channel: str, count: int) -> None:
    """A view or a task that publishes in a loop."""
    from instant import publish

    for _ in range(count):
        publish(channel, TEXT)


def many(channel: str, count: int) -> None:
    """All in one call."""
    from instant import publish_many

    publish_many({"channel": channel, "message": TEXT} for _ in range(count))


def on_commit(channel: str, count: int) -> None:
    """All in one transaction, sent when it commits."""
    from instant import publish

    with transaction.atomic():
        for _ in range(count):
            publish(channel, TEXT, on_commit=True)


async def one_by_one_async(channel: str, count: int) -> None:
    """A view that is async, and waits for each."""
    from instant import apublish

    for _ in range(count):
        await apublish(channel, TEXT)


async def many_async(channel: str, count: int) -> None:
    """All in one call of an async view."""
    from instant import apublish_many

    await apublish_many({"channel": channel, "message": TEXT} for _ in range(count))


LOOPS: dict[str, Callable[[str, int], None]] = {
    "python": one_by_one,
    "thread": one_by_one,
    "go": one_by_one,
    "many": many,
    "thread-many": many,
    "go-many": many,
    "on-commit": on_commit,
}


async def _async(path: str, channel: str, count: int, warm_up: int) -> dict[str, float]:
    """The clock runs inside one event loop, as in a site that is served by ASGI."""
    import time

    loop = {"python-async": one_by_one_async, "many-async": many_async}[path]
    await loop(f"{channel}_warm", warm_up)
    start = time.perf_counter()
    await loop(channel, count)
    seconds = time.perf_counter() - start
    return {"caller": seconds, "total": seconds}


def main() -> None:
    """Warm up, run one path with the clock, and report."""
    path, channel, count, warm_up = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    django.setup()
    if path.endswith("-async"):
        report(messages=count, **asyncio.run(_async(path, channel, count, warm_up)))
        return
    if path.startswith("outbox"):
        loop = many if path == "outbox-many" else one_by_one
        report(messages=count, **outbox.measured(loop, channel, count, warm_up))
        return
    loop = LOOPS[path]
    loop(f"{channel}_warm", warm_up)
    flush()
    report(messages=count, **timed(lambda: loop(channel, count), flush))


if __name__ == "__main__":
    main()
