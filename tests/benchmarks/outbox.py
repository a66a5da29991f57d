"""The outbox on PostgreSQL: rows of one transaction, until the server has published the last."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from django.db import connection, transaction

from . import counter
from .paths import TEXT
from .timing import PATIENCE, timed

_TABLE = """
CREATE TABLE IF NOT EXISTS bench_rows
(LIKE instant_outboxentry INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES)
"""


def measured(loop: Callable[[str, int], None], channel: str, count: int, warm_up: int) -> dict[str, float]:
    """Seconds of the transaction, until all is delivered, and of a plain bulk INSERT of the same rows."""
    with transaction.atomic():
        loop(f"{channel}_warm", warm_up)
    _wait(f"{channel}_warm", warm_up)

    def work() -> None:
        with transaction.atomic():
            loop(channel, count)

    insert = plain_insert(channel, count)
    return {"insert": insert, **timed(work, lambda: _wait(channel, count))}


def plain_insert(channel: str, count: int) -> float:
    """Seconds of one INSERT of as many rows of the same size into a table that nobody reads, and its COMMIT."""
    from instant import Message

    payloads = [Message(channel, TEXT).command().decode() for _ in range(count)]
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
        start = time.perf_counter()
        with transaction.atomic():
            cursor.execute(
                "INSERT INTO bench_rows (method, payload, partition, created_at) "
                "SELECT method, payload, 0, now() FROM unnest(%s::text[], %s::json[]) AS rows (method, payload)",
                [["publish"] * count, payloads],
            )
        seconds = time.perf_counter() - start
        cursor.execute("TRUNCATE bench_rows")
    return seconds


def _wait(channel: str, count: int) -> None:
    """Ask the server until it has published so many; the question costs it next to nothing."""
    deadline = time.monotonic() + PATIENCE
    while (counter.count(channel) or 0) < count:
        if time.monotonic() > deadline:
            raise SystemExit(json.dumps({"delivered": counter.count(channel), "of": count}))
        time.sleep(0.005)
