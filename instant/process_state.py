"""Process-local state: values that each process creates for itself, and facts about the current process.

A forked child must not read replies that are meant for its parent, continue the parent's counters, or wait for a lock
that a thread of the parent held. No hook reports every fork: Python's hooks run only if Python forks, and uWSGI forks
in C. So each use compares the process id, which takes less than 0.1 µs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class PerProcess(Generic[_T]):
    """A value that each process creates with `make` on first use. It must not be None."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: dict[int, _T] = {}
        #: Values of the processes from which this one was forked. They are kept, because destroying them here could
        #: close sockets that those processes still use.
        self._inherited: list[_T] = []

    def __call__(self) -> _T:
        try:
            return self._made[os.getpid()]
        except KeyError:
            return self._begin(os.getpid())

    def renew(self) -> None:
        """Drop this process's value: the next use creates a new one."""
        self._made.pop(os.getpid(), None)

    def _begin(self, pid: int) -> _T:
        # Atomic: two threads that start at the same time get the same value.
        value = self._made.setdefault(pid, self._make())
        for other in list(self._made):
            if other != pid and (inherited := self._made.pop(other, None)) is not None:
                self._inherited.append(inherited)
        return value


def runs_threads() -> bool:
    """Report whether threads run in this process between requests.

    Under uWSGI without `enable-threads`, they run only while a request executes Python code.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return True
    if is_about_to_fork():
        return False
    options = {_text(name): value for name, value in getattr(uwsgi, "opt", {}).items()}
    return "enable-threads" in options or "gevent" in options or "threads" in options


def ends_without_exit() -> bool:
    """Report whether this process runs a job of RQ, and so ends with os._exit(), without exit handlers."""
    rq = sys.modules.get("rq")
    if rq is None or not hasattr(rq, "get_current_job"):
        return False
    return rq.get_current_job() is not None or _is_work_horse()


def _is_work_horse() -> bool:
    """Return whether RQ has forked this process for a job. Threads of a job do not have a current job.

    A work horse is the leader of its process group, unlike the programs that it starts, which inherit RQ_JOB_ID.
    """
    return "RQ_JOB_ID" in os.environ and hasattr(os, "getpgrp") and os.getpgrp() == os.getpid()


def is_about_to_fork() -> bool:
    """Report whether this is uWSGI's master process, which has loaded the site and is about to fork.

    It must not start threads: uWSGI does not reset their state in its workers, which would then wait forever.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and hasattr(uwsgi, "masterpid") and uwsgi.masterpid() == os.getpid()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
