from __future__ import annotations

import datetime
import os
import signal as signals
import time
from pathlib import Path

from instant.windows import WINDOW, WindowInfo, everyone, is_authenticated, signal, trigger


def note(path: str, text: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{text}\n")


@signal("worker.note", everyone, queue="slow")
def write(window_info: WindowInfo, path: str, day: datetime.date | None = None):
    note(path, f"slow {window_info.username} {window_info.is_authenticated} {day and day.year}")


@signal("worker.note", everyone, queue="fast")
def write_fast(window_info: WindowInfo, path: str, **kwargs):
    note(path, "fast")


@signal("worker.answer", is_authenticated, queue="slow")
def answer(window_info: WindowInfo):
    trigger(window_info, "worker.answered", to=WINDOW, by=window_info.username)


@signal("worker.deadly", everyone, queue="slow")
def end_the_worker(window_info: WindowInfo, path: str):
    note(path, "began")
    os.kill(os.getpid(), signals.SIGKILL)


@signal("worker.long", everyone, queue="slow")
def work_long(window_info: WindowInfo, path: str):
    """The first time it takes as long as the test does."""
    is_first = not Path(path).exists()
    note(path, f"began {os.getpid()} {os.getppid()}")
    if is_first:
        time.sleep(60)
    note(path, "done")
