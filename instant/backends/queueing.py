"""What the backends "thread" and "go" share: publish() puts a message into a queue of its process and returns, one
thread sends what waits, and each message gets its answer: taken, or an error that is logged or handed to who waits."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import monotonic, sleep
from typing import Any

from ..conf.settings import conf
from ..exceptions import Unreachable
from ..messages import Message, Receipt
from ..process_state import PerProcess, ends_without_exit, runs_threads
from . import process_exit
from .base import BaseBackend
from .send_queue import Answers, Entry, Figures, SendQueue

logger = logging.getLogger("instant")

#: Seconds that the thread is given to come to rest at the end of a process.
REST = 0.5
#: Seconds after which who publishes without a thread looks whether there is something to send again.
LOOK = 0.05

_NO_EXIT = (
    "RQ ends the process of a job by os._exit(), which would lose what %r has queued. So publish() waits for the "
    'server\'s answer in this process. With INSTANT_BROADCAST_WITH = "go" it does not need to.'
)


class _Call:
    """One call of send() without its waiting, which differs for threads and event loops."""

    def __init__(self, out: SendQueue, entries: list[Entry], entered: int, timeout: float | None, answered: bool):
        self.started = monotonic()
        self.timeout = conf.INSTANT_PUBLISH_TIMEOUT if timeout is None else timeout
        self._out, self._entries, self._entered = out, entries, entered
        self._answers: Answers | None = None
        if answered:
            self._answers = answers = Answers(len(entries))
            self._entries = [
                (message, partial(answers.tell, index), at) for index, (message, _, at) in enumerate(entries)
            ]

    @property
    def left(self) -> float:
        return max(self.started + self.timeout - monotonic(), 0)

    @property
    def is_queued(self) -> bool:
        return self._answers is None and self._entered == len(self._entries)

    def step(self) -> Future[None] | None:
        """Go on as far as possible; return what must be waited for, for `left` seconds, before the next step."""
        if self._entered < len(self._entries):
            self._entered += self._out.offer(self._entries[self._entered :])
        if self._entered < len(self._entries):
            blocked = self._out.below(self._out.limit)
        elif self._answers is not None and not self._answers.complete.done():
            blocked = self._answers.complete
        else:
            return None
        return blocked if self.left else None

    def receipts(self, backend: str) -> list[Receipt]:
        answers = self._answers.close() if self._answers else [Receipt(message) for message, _, _ in self._entries]
        late = f"no answer within {self.timeout:g} seconds; it is still being tried"
        full = (
            f"the queue is full: {self._out.limit} messages have no answer yet (INSTANT_QUEUE_SIZE), "
            f"and there was no room within {self.timeout:g} seconds"
        )
        return [
            _unreachable(message, full, backend)
            if index >= self._entered
            else answer or _unreachable(message, late, backend)
            for index, ((message, _, _), answer) in enumerate(zip(self._entries, answers, strict=True))
        ]


class Own:
    """The state of a backend in one process."""

    def __init__(self) -> None:
        self.out: SendQueue | None = None
        self.starting = threading.Lock()
        #: The process ends, or will end without a word: nobody would send later.
        self.ending = False
        #: No thread can be started, or none would run: whoever publishes sends.
        self.is_threadless = not runs_threads()


class QueueingBackend(BaseBackend):
    """Put messages into a queue that a thread sends, in order; each process has its own, and so has a forked child."""

    confirms = False
    #: Whether a caller hands over what it has queued by itself: then the thread is needed only where that fails.
    hands_over = False
    #: Seconds that a process waits at its end for what it has queued.
    exit_timeout = 10.0
    #: The class of the state. A forked child has its own, so it does not send what its parent has queued.
    own_class: type[Own] = Own

    def __init__(self) -> None:
        self._own: PerProcess[Any] = PerProcess(self.own_class)

    def deliver(self, out: SendQueue, entries: list[Entry]) -> None:
        """Send the messages in order and see to it that `out` settles them; what is settled here leaves `entries`."""
        raise NotImplementedError

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        out, entries, entered = self._enter(messages, wait)
        if entered == len(messages):
            return self.queued(messages, out, timeout)
        own: Own = self._own()
        call = _Call(out, entries, entered, timeout, wait or own.ending or own.is_threadless)
        while (blocked := call.step()) is not None:
            if own.is_threadless and out.has_work:
                self._work(out)
            else:
                _wait(blocked, min(call.left, LOOK) if own.is_threadless else call.left)
        return self.queued(messages, out, call.left) if self._must_hand_over(call) else call.receipts(self.name)

    async def asend(
        self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False
    ) -> list[Receipt]:
        if self._own().is_threadless:
            return self.send(messages, timeout, wait)
        out, entries, entered = self._enter(messages, wait)
        if entered == len(messages):
            return await self.aqueued(messages, out, timeout)
        call = _Call(out, entries, entered, timeout, wait or self._own().ending)
        while (blocked := call.step()) is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(blocked), call.left)
        return await self.aqueued(messages, out, call.left) if self._must_hand_over(call) else call.receipts(self.name)

    def _must_hand_over(self, call: _Call) -> bool:
        """Whether all of this call is in the queue, after it had to wait for room, and nobody waits for the answers."""
        return self.hands_over and call.is_queued

    def _enter(self, messages: Sequence[Message], wait: bool) -> tuple[SendQueue, list[Entry], int]:
        """Queue the messages, but leave to a _Call those whose answer is waited for; as at the process's end all are:
        nobody would send them later."""
        own, out, now = self._own(), self._queue(), monotonic()
        entries: list[Entry] = [(message, None, now) for message in messages]
        is_waited_for = wait or own.ending or own.is_threadless
        return out, entries, 0 if is_waited_for else out.offer(entries, wakes=not self.hands_over)

    def queued(self, messages: Sequence[Message], out: SendQueue, timeout: float | None) -> list[Receipt]:
        """Return what the caller is told of messages that are in the queue now."""
        out.give_way()
        return [Receipt(message) for message in messages]

    async def aqueued(self, messages: Sequence[Message], out: SendQueue, timeout: float | None) -> list[Receipt]:
        """Return what `queued` does, and never block the event loop."""
        return [Receipt(message) for message in messages]

    def _queue(self) -> SendQueue:
        """Return the queue of this process, and start its thread."""
        own: Own = self._own()
        return own.out or self._start(own)

    def _start(self, own: Own) -> SendQueue:
        with own.starting:
            if own.out is None:
                out = SendQueue(conf.INSTANT_QUEUE_SIZE)
                if not own.is_threadless:
                    self._start_thread(own, out)
                if not self.hands_over and ends_without_exit():
                    logger.warning(_NO_EXIT, self.name)
                    own.ending = True
                _backends().add(self)
                process_exit.at_exit(finish_all)
                own.out = out
            return own.out

    def _start_thread(self, own: Own, out: SendQueue) -> None:
        try:
            threading.Thread(target=self._run, args=(out,), name=f"instant-{self.name}", daemon=True).start()
        except RuntimeError:  # the interpreter ends, and Python 3.12 and later start none then
            own.ending = own.is_threadless = True

    def _run(self, out: SendQueue) -> None:
        process_exit.leave_signals_to_main_thread()
        while True:
            self._work(out)

    def _work(self, out: SendQueue) -> None:
        out.wait()
        self._send_all(out)

    def _send_all(self, out: SendQueue) -> int:
        """Send what waits; return how many messages that were."""
        entries = out.take_more()
        count = len(entries)
        try:
            out.limit = conf.INSTANT_QUEUE_SIZE
            self.deliver(out, entries)
        except Exception as error:  # of wrong settings, above all: the thread must go on
            logger.debug("the %s backend failed", self.name, exc_info=True)
            self._fail(out, entries, f"{type(error).__name__}: {error}", error)
        return count

    def _fail(
        self,
        out: SendQueue,
        entries: Sequence[Entry],
        reason: str,
        cause: BaseException | None,
        again: bool = False,
    ) -> None:
        out.settle(entries, [_unreachable(message, reason, self.name, again, cause) for message, _, _ in entries])

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was sent has been answered. What failed has its answer, too: it was logged, or told to
        who waited for it."""
        out = self._own().out
        return out is None or _wait(out.below(1), timeout)

    def figures(self) -> Figures:
        """Return what became of the messages of this process until now."""
        out = self._own().out
        return replace(out.figures) if out else Figures()

    def finish(self, timeout: float) -> None:
        """Wait for what is queued as the process ends, and log what is lost."""
        self._own().ending = True
        if not self.flush(timeout):
            logger.error("the process ends; messages without an answer: %d", self.figures().queued)
        self._rest()

    def _rest(self) -> None:
        """Let the thread come to rest: one that runs while the interpreter is taken apart can crash it."""
        deadline, own = monotonic() + REST, self._own()
        while own.out is not None and not own.is_threadless and not own.out.resting and monotonic() < deadline:
            sleep(0.002)


#: Those that have queued something in this process.
_backends = PerProcess[weakref.WeakSet[QueueingBackend]](weakref.WeakSet)


def finish_all() -> None:
    """Wait for what the backends of this process have queued, as it ends; each has seconds for it."""
    for backend in list(_backends()):
        backend.finish(backend.exit_timeout)


def _wait(future: Future[Any], timeout: float | None) -> bool:
    return bool(wait([future], timeout).done)


def _unreachable(
    message: Message, reason: str, backend: str, again: bool = True, cause: BaseException | None = None
) -> Receipt:
    error = Unreachable(reason, message.channel, backend, again)
    error.__cause__ = cause
    return Receipt(message, error=error)
