"""State that belongs to one process: another one, however it came to be, makes its own. And what kind of process it is.

A forked child must not read the answers to its parent's questions, count on with its numbers, or wait for a lock that
a thread of the parent had. No hook tells it: Python's run only where Python forks, and uWSGI forks in C. So each use
looks at the process's id, which costs less than a tenth of a microsecond.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class PerProcess(Generic[_T]):
    """A value that each process makes for itself, by `make`, when it first asks for it. It is not None."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: dict[int, _T] = {}
        #: The values of the processes from which this one was forked. Without a reference they would be destroyed
        #: here, and some of them are sockets that those processes use.
        self._inherited: list[_T] = []

    def __call__(self) -> _T:
        try:
            return self._made[os.getpid()]
        except KeyError:
            return self._begin(os.getpid())

    def renew(self) -> None:
        """Forget what this process has made: the next use makes it anew."""
        self._made.pop(os.getpid(), None)

    def _begin(self, pid: int) -> _T:
        # One step for Python: of two threads that begin at once, both get the same.
        value = self._made.setdefault(pid, self._make())
        for other in list(self._made):
            if other != pid and (inherited := self._made.pop(other, None)) is not None:
                self._inherited.append(inherited)
        return value


def runs_threads() -> bool:
    """Return whether threads run in this process between its requests.

    Under uWSGI without `enable-threads` they run only while a request runs Python code.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return True
    if is_about_to_fork():
        return False
    options = {_text(name): value for name, value in getattr(uwsgi, "opt", {}).items()}
    return "enable-threads" in options or "gevent" in options or "threads" in options


def ends_without_exit() -> bool:
    """Return whether this process ends by os._exit(), without exit handlers: it runs a job of RQ."""
    rq = sys.modules.get("rq")
    return rq is not None and hasattr(rq, "get_current_job") and rq.get_current_job() is not None


def is_about_to_fork() -> bool:
    """Return whether this is uWSGI's master, which has loaded the site and forks now.

    It must have no threads: uWSGI resets nothing of theirs in its workers, which would then wait for ever.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and hasattr(uwsgi, "masterpid") and uwsgi.masterpid() == os.getpid()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
