"""The messages that a process has not finished sending, the callers that wait for results, and statistics."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby

from ..exceptions import PublishError
from ..messages import Message, Receipt

logger = logging.getLogger("instant")

#: Maximum number of channels that one log entry about failures names.
LOGGED_CHANNELS = 10
#: Each time this many messages are queued, a publishing loop lets the thread run first, for at most this many seconds.
#: It checks every PAUSE seconds whether the thread has done so.
LEAD, LONGEST_PAUSE, PAUSE = 1000, 0.01, 0.0005
#: A message, a callback for its result (which returns whether a caller still waits), and its time in the queue's clock,
#: time.monotonic().
Entry = tuple[Message, "Callable[[Receipt], bool] | None", float]


@dataclass(slots=True)
class Figures:
    """Statistics of the messages of this process. `queued` messages have no result yet."""

    sent: int = 0
    failed: int = 0
    queued: int = 0
    retried: int = 0
    batches: int = 0


class SendQueue:
    """The messages of one process that have no result yet, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit, self.figures = limit, Figures()
        #: Total number of messages that were added to the queue.
        self.offered = 0
        self._lock = threading.Lock()
        self._waiting: list[Entry] = []
        #: Not empty if the thread shall run. An Event would stay locked if a signal handler raises within `set`.
        self._work = queue.SimpleQueue[None]()
        self._levels: dict[int, Future[None]] = {}
        #: Whether the sending thread is idle.
        self.resting = False

    def offer(self, entries: list[Entry], *, wakes: bool = True) -> int:
        """Add messages from the start of `entries` until the queue is full, and return their number.

        The thread is woken if `wakes` is true or the queue is full.
        """
        with self._lock:
            room = self.limit - self.figures.queued
            if room < len(entries):
                entries, wakes = entries[: max(room, 0)], True
            self._waiting += entries
            self.offered += len(entries)
            self.figures.queued += len(entries)
            if wakes:
                self.wake()
        return len(entries)

    def wait(self) -> None:
        """Wait for messages, or for `wake`."""
        self.resting = self._work.empty()
        self._work.get()
        self.resting = False

    @property
    def has_work(self) -> bool:
        """Whether `wait` would return at once."""
        return not self._work.empty()

    @property
    def taken(self) -> int:
        """The number of messages that have left the queue."""
        return self.offered - len(self._waiting)

    def take_more(self, entries: list[Entry]) -> list[Entry]:
        """Move all queued messages to the empty list `entries`, and return it."""
        with self._lock:
            entries[:] = self._waiting
            self._waiting = []
        return entries

    def put_back(self, entries: list[Entry]) -> None:
        """Return the messages of an interrupted `take_more` to the start of the queue."""
        with self._lock:
            if entries and not (self._waiting and self._waiting[0] is entries[0]):
                self._waiting[:0] = entries

    def wait_until_read(self) -> None:
        """Let the thread run when the caller is far ahead of it, for at most LONGEST_PAUSE seconds.

        A loop that publishes keeps the interpreter for 5 ms at a time (sys.getswitchinterval()). The thread would wait
        that long for each of its steps, while the queue takes new memory. The caller loses no time, because only one
        thread runs Python code at a time anyway.
        """
        waiting = len(self._waiting)
        if waiting and waiting % LEAD == 0:
            deadline = time.monotonic() + LONGEST_PAUSE
            while len(self._waiting) >= waiting and time.monotonic() < deadline:
                time.sleep(PAUSE)

    def wake(self) -> None:
        """Make `wait` return."""
        if self._work.empty():
            self._work.put(None)

    def report(self, entries: Sequence[Entry], receipts: Sequence[Receipt] | None = None) -> None:
        """Report results to waiting callers, and log errors for which nobody waits.

        Without `receipts`, the server has accepted all messages.
        """
        errors, unreported = 0, []
        if receipts is None:
            for message, report_one, _ in entries:
                if report_one is not None:
                    report_one(Receipt(message))
        else:
            for (_, report_one, _), receipt in zip(entries, receipts, strict=True):
                is_reported = report_one is not None and report_one(receipt)
                if receipt.error is not None:
                    errors += 1
                    if not is_reported:
                        unreported.append(receipt.error)
        if unreported:
            _log(unreported)
        self._count(len(entries) - errors, errors)

    def _count(self, sent: int, failed: int) -> None:
        with self._lock:
            self.figures.sent += sent
            self.figures.failed += failed
            self.figures.queued -= sent + failed
            reached = [level for level in self._levels if self.figures.queued < level]
            futures = [self._levels.pop(level) for level in reached]
        for future in futures:
            future.set_result(None)

    def below(self, level: int) -> Future[None]:
        """Return a future that is done when fewer than `level` messages have no result."""
        with self._lock:
            if self.figures.queued >= level:
                return self._levels.setdefault(level, _future())
        done = _future()
        done.set_result(None)
        return done


class Answers:
    """The results that one caller waits for."""

    def __init__(self, count: int) -> None:
        self.receipts: list[Receipt | None] = [None] * count
        self.complete, self._missing, self._open, self._lock = _future(), count, True, threading.Lock()

    def report(self, index: int, receipt: Receipt) -> bool:
        with self._lock:
            if not self._open:
                return False
            self.receipts[index] = receipt
            self._missing -= 1
            if self._missing == 0:
                self.complete.set_result(None)
            return True

    def close(self) -> list[Receipt | None]:
        with self._lock:
            self._open = False
            return self.receipts


def _future() -> Future[None]:
    """Return a future that cannot be cancelled, because several callers wait for it."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def _log(errors: list[PublishError]) -> None:
    """Log one error per channel, for at most LOGGED_CHANNELS channels. An outage must not fill the disk."""
    channels = [list(group) for _, group in groupby(sorted(errors, key=_channel), _channel)]
    for group in channels[:LOGGED_CHANNELS]:
        more = f"; {len(group) - 1} more to this channel also failed" if len(group) > 1 else ""
        logger.error("%s%s", group[0], more)
    if len(channels) > LOGGED_CHANNELS:
        rest = channels[LOGGED_CHANNELS:]
        logger.error("%d more messages to %d other channels also failed", sum(map(len, rest)), len(rest))


def _channel(error: PublishError) -> str:
    return error.channel
