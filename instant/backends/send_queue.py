"""The messages of a process that are on their way, who waits for their answers, and what became of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby

from ..exceptions import PublishError
from ..messages import Message, Receipt

logger = logging.getLogger("instant")

#: How many channels one log of failures names.
LOGGED_CHANNELS = 10
#: At each so many messages that wait, a loop that publishes lets the thread go first, for so many seconds at most.
LEAD, GIVE_WAY = 1000, 0.01
#: A message, whom to tell of its answer (who says whether anybody still listens), and when it came.
Entry = tuple[Message, "Callable[[Receipt], bool] | None", float]


@dataclass(slots=True)
class Figures:
    """What became of the messages of this process: `queued` have no answer yet."""

    sent: int = 0
    failed: int = 0
    queued: int = 0
    retried: int = 0
    batches: int = 0


class SendQueue:
    """The messages of one process that have no answer yet, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit, self.figures = limit, Figures()
        #: How many it has taken in all.
        self.offered = 0
        self._lock = threading.Lock()
        self._waiting: list[Entry] = []
        self._work = threading.Event()
        self._levels: dict[int, Future[None]] = {}
        self._sent = threading.Condition()
        #: The thread that takes them has nothing to do.
        self.resting = False

    def offer(self, entries: list[Entry], *, wakes: bool = True) -> int:
        """Take as many as there is room for, from the first on; return how many. The thread is woken, unless it is not
        needed."""
        with self._lock:
            room = self.limit - self.figures.queued
            if room < len(entries):
                entries, wakes = entries[: max(room, 0)], True
            self._waiting += entries
            self.offered += len(entries)
            self.figures.queued += len(entries)
            if wakes and not self._work.is_set():
                self._work.set()
        return len(entries)

    def wait(self) -> None:
        """Wait for messages, or for `wake`."""
        self.resting = not self._work.is_set()
        self._work.wait()
        self.resting = False

    @property
    def has_work(self) -> bool:
        """Whether `wait` would return at once."""
        return self._work.is_set()

    def take_more(self) -> list[Entry]:
        """Return all that wait, if any."""
        with self._lock:
            self._work.clear()
            entries, self._waiting = self._waiting, []
        return entries

    def give_way(self) -> None:
        """Wait for the thread where the caller is far ahead of it, but only a moment.

        Beside a loop that publishes, the thread would get to run for each of its steps only when the loop has had its
        5 ms (sys.getswitchinterval()), and what waits meanwhile would take new memory. For the caller it is no loss:
        all that is done here is done by one of them at a time.
        """
        waiting = len(self._waiting)
        if waiting and waiting % LEAD == 0:
            with self._sent:
                self._sent.wait(GIVE_WAY)

    def go_on(self) -> None:
        """Let those go on who gave way: the thread has nothing to do but to wait."""
        with self._sent:
            self._sent.notify_all()

    def wake(self) -> None:
        """Let `take` return."""
        self._work.set()

    def settle(self, entries: Sequence[Entry], receipts: Sequence[Receipt] | None = None) -> None:
        """Tell who waits for these messages, log the errors of the others; no receipts: the server took all."""
        errors, unheard = 0, []
        if receipts is None:
            for message, tell, _ in entries:
                if tell is not None:
                    tell(Receipt(message))
        else:
            for (_, tell, _), receipt in zip(entries, receipts, strict=True):
                heard = tell is not None and tell(receipt)
                if receipt.error is not None:
                    errors += 1
                    if not heard:
                        unheard.append(receipt.error)
        if unheard:
            _log(unheard)
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
        """Return what is done when fewer than `level` messages have no answer."""
        with self._lock:
            if self.figures.queued >= level:
                return self._levels.setdefault(level, _future())
        done = _future()
        done.set_result(None)
        return done


class Answers:
    """The answers that one caller waits for."""

    def __init__(self, count: int) -> None:
        self.receipts: list[Receipt | None] = [None] * count
        self.complete, self._missing, self._open, self._lock = _future(), count, True, threading.Lock()

    def tell(self, index: int, receipt: Receipt) -> bool:
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
    """A future that nobody can cancel: several wait for it."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def _log(errors: list[PublishError]) -> None:
    """Log the first error of each channel, and of no more than LOGGED_CHANNELS: an outage must not fill the disk."""
    channels = [list(group) for _, group in groupby(sorted(errors, key=_channel), _channel)]
    for group in channels[:LOGGED_CHANNELS]:
        more = f"; so did {len(group) - 1} more to this channel" if len(group) > 1 else ""
        logger.error("%s%s", group[0], more)
    if len(channels) > LOGGED_CHANNELS:
        rest = channels[LOGGED_CHANNELS:]
        logger.error("so did %d messages to %d other channels", sum(map(len, rest)), len(rest))


def _channel(error: PublishError) -> str:
    return error.channel
