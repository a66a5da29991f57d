"""The clock of a process that publishes, and how it reports."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable

from . import memory, publisher

#: Seconds in which all that was sent must have been acknowledged.
PATIENCE = 120.0


def timed(work: Callable[[], object], finish: Callable[[], object] | None = None) -> dict[str, float]:
    """Run `work`, then `finish`, which waits for the last acknowledgement; return the seconds until the end of each."""
    gc.collect()
    start = time.perf_counter()
    work()
    caller = time.perf_counter() - start
    if finish is not None:
        finish()
    return {"caller": caller, "total": time.perf_counter() - start}


def report(**figures: object) -> None:
    """Hand the figures of this process to the one that started it."""
    go = publisher.listener(os.environ.get("BENCH_GO_SOCKET"))
    figures = {"memory_kb": memory.peak_kb(os.getpid()), "publisher_kb": memory.peak_kb(go), **figures}
    sys.stdout.write(json.dumps(figures) + "\n")
