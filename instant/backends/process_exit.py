"""Calls functions when a process ends: at exit, at the exit of a multiprocessing child, and at SIGTERM."""

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

#: Signals that the main thread handles.
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_registered: set[tuple[int, Callable[[], None]]] = set()


def at_exit(finish: Callable[[], None]) -> None:
    """Call `finish` at least once when this process ends, unless it is killed. Each process registers for itself."""
    if (os.getpid(), finish) in _registered:
        return
    _registered.add((os.getpid(), finish))
    atexit.unregister(finish)  # a forked child inherits the registration of its parent
    atexit.register(finish)
    # Children of multiprocessing and of Celery (billiard) do not run atexit handlers, only these finalizers.
    for name in ("multiprocessing.util", "billiard.util"):
        if module := sys.modules.get(name):
            _finalize(module, finish)
    if threading.current_thread() is threading.main_thread() and _sigterm_is_free():
        signal.signal(signal.SIGTERM, partial(_on_sigterm, finish))


class _Keeper:
    """The object to which `register_after_fork` keeps a weak reference."""


_keeper = _Keeper()


def _finalize(module: Any, finish: Callable[[], None]) -> None:
    """Call `finish` at the end of this multiprocessing child.

    A child clears its finalizers after its imports, before its work begins. The after-fork hook registers `finish`
    again.
    """

    def again(_: object = None) -> None:
        module.Finalize(None, finish, exitpriority=0)

    again()
    module.register_after_fork(_keeper, again)


def leave_signals_to_main_thread(leave: bool = True) -> None:
    """Block these signals in the calling thread and in the threads that it starts.

    Python runs handlers in the main thread, which stays asleep if the system delivers the signal to another thread.
    """
    if hasattr(signal, "pthread_sigmask") and not _is_in_main_thread():
        signal.pthread_sigmask(signal.SIG_BLOCK if leave else signal.SIG_UNBLOCK, _SIGNALS)


def _is_in_main_thread() -> bool:
    """Return whether this is the process's first system thread, in which gevent runs all of its threads.

    On Linux the id of that thread is the process id. gevent's record of the main thread is the parent's in a forked
    child.
    """
    return threading.get_native_id() in (os.getpid(), threading.main_thread().native_id)


def _sigterm_is_free() -> bool:
    """Return whether SIGTERM has its default action.

    Also look for handlers that Python does not know of, such as uWSGI's.
    """
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return False
    try:
        (caught,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("SigCgt:")]
    except (OSError, ValueError):
        return True
    return not int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1


def _on_sigterm(finish: Callable[[], None], *signal_and_frame: Any) -> None:
    """Call `finish`, then end by SIGTERM as usual.

    This runs in a new thread: the main thread may hold a lock that `finish` needs.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second SIGTERM ends the process at once
    threading.Thread(target=_finish_and_die, args=(finish,), name="instant-exit", daemon=True).start()


def _finish_and_die(finish: Callable[[], None]) -> None:
    try:
        finish()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
