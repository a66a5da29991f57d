"""The ends of a process that a queue must be told of: an exit, also of multiprocessing's children, and SIGTERM."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

#: What is the main thread's to handle.
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_told: set[tuple[int, Callable[[], None]]] = set()


def at_exit(finish: Callable[[], None]) -> None:
    """Call `finish` once or more when this process ends, unless it is killed; for each process anew."""
    if (os.getpid(), finish) in _told:
        return
    _told.add((os.getpid(), finish))
    atexit.unregister(finish)  # a forked child has it from its parent
    atexit.register(finish)
    # The children of multiprocessing, and of Celery (billiard), end without atexit, by these finalizers of their own.
    for name in ("multiprocessing.util", "billiard.util"):
        if module := sys.modules.get(name):
            _finalize(module, finish)
    if threading.current_thread() is threading.main_thread() and _sigterm_is_free():
        signal.signal(signal.SIGTERM, partial(_on_sigterm, finish))


class _Keeper:
    """What `register_after_fork` refers to weakly."""


_keeper = _Keeper()


def _finalize(module: Any, finish: Callable[[], None]) -> None:
    """Have `finish` called at the end of this child. Those finalizers are forgotten where its work begins, which is
    after its imports; what runs then notes it again."""

    def again(_: object = None) -> None:
        module.Finalize(None, finish, exitpriority=0)

    again()
    module.register_after_fork(_keeper, again)


def leave_signals_to_main_thread(leave: bool = True) -> None:
    """Let the calling thread, and those that it starts, get none: Python's handlers run in the main thread, which
    sleeps on where the system has woken another one."""
    if hasattr(signal, "pthread_sigmask") and not _is_in_main_thread():
        signal.pthread_sigmask(signal.SIG_BLOCK if leave else signal.SIG_UNBLOCK, _SIGNALS)


def _is_in_main_thread() -> bool:
    """Whether the system's thread is the first one of the process, where all threads of gevent run, too. On Linux it
    has the number of the process; what gevent has of its main thread is the parent's in a forked child."""
    return threading.get_native_id() in (os.getpid(), threading.main_thread().native_id)


def _sigterm_is_free() -> bool:
    """Whether SIGTERM ends this process: nobody has a handler, nor one that Python does not know of, as uWSGI has."""
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return False
    try:
        (caught,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("SigCgt:")]
    except (OSError, ValueError):
        return True
    return not int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1


def _on_sigterm(finish: Callable[[], None], *signal_and_frame: Any) -> None:
    """Finish, then die of SIGTERM as ever. In a thread: the main one may hold the very lock that finishing needs."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends it at once
    threading.Thread(target=_finish_and_die, args=(finish,), name="instant-exit", daemon=True).start()


def _finish_and_die(finish: Callable[[], None]) -> None:
    try:
        finish()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
