"""Backend "thread": `publish()` returns at once; a thread sends the queued messages in batches by HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from typing import ClassVar

from ..centrifugo import http
from ..exceptions import ServerError
from ..messages import Receipt
from ..protocol import MAX_BATCH_COMMANDS
from .python import PythonBackend, Request, requests_for
from .queueing import QueueingBackend
from .send_queue import Entry, SendQueue

#: Seconds that one request may take.
REQUEST_TIMEOUT = 5.0
#: Seconds during which a message is retried while the server is unreachable. It is not a setting, because the process
#: has to live that long.
RETRY_FOR = 30.0
#: Seconds before the first retry, and the maximum. The pause doubles each time.
PAUSES = (0.05, 1.0)


class _Http(PythonBackend):
    """Sends one request at a time, and creates receipts only if they are needed."""

    name: ClassVar[str] = "thread"  # in errors

    def request(self, request: Request, entries: list[Entry], meanwhile: Callable[[], object]) -> list[Receipt] | None:
        """Return the receipts, or None if all messages succeeded and nobody waits for them.

        `meanwhile` is called while the server works on the request.
        """
        try:
            answer = http.post(request.method, request.body, REQUEST_TIMEOUT, meanwhile)
            failed = any("error" in result for result in request.results(answer))
            if failed or any(tell for _, tell, _ in entries):
                return self._receipts(request, answer)
        except ServerError as error:
            return [self._failed(message, error) for message in request.messages]
        return None


class ThreadBackend(QueueingBackend):
    """Queues messages for a thread that sends them by HTTP. During an outage they are retried for RETRY_FOR seconds.

    The messages of a channel keep their order, with one exception: if the server accepts some messages of a batch and
    responds with error 100 (internal error) to others, the others are retried after those.
    """

    name: ClassVar[str] = "thread"

    def __init__(self) -> None:
        super().__init__()
        self._http = _Http()

    def deliver(self, out: SendQueue, entries: list[Entry]) -> None:
        pause, last = PAUSES
        following: list[Request] = []

        def meanwhile() -> None:
            """Prepare the next request while the server works on the current one."""
            if len(entries) == len(request.messages):
                entries.extend(out.take_more([]))
            following.extend(_first_request(entries[len(request.messages) :]))

        while entries:
            (request,) = following or _first_request(entries)
            following.clear()
            again = self._request(out, request, entries[: len(request.messages)], meanwhile)
            entries[: len(request.messages)] = again
            if again:
                following.clear()  # never two requests at once: if only the first fails, the order would break
                time.sleep(pause)
                pause = min(2 * pause, last)
            else:
                pause = PAUSES[0]

    def _request(
        self, out: SendQueue, request: Request, entries: list[Entry], meanwhile: Callable[[], object]
    ) -> list[Entry]:
        """Send one request, and return the messages that must be retried."""
        receipts = self._http.request(request, entries, meanwhile)
        out.figures.batches += 1
        if receipts is None:
            out.report(entries)
            return []
        oldest = time.monotonic() - RETRY_FOR
        answered = list(zip(entries, receipts, strict=True))
        again = [entry for entry, receipt in answered if _may_succeed(receipt) and entry[2] > oldest]
        if again:
            out.figures.retried += len(again)
            kept = {id(entry) for entry in again}
            answered = [pair for pair in answered if id(pair[0]) not in kept]
        out.report([entry for entry, _ in answered], [receipt for _, receipt in answered])
        return again


def _may_succeed(receipt: Receipt) -> bool:
    return receipt.error is not None and receipt.error.retryable


def _first_request(entries: list[Entry]) -> list[Request]:
    """Return the first request for these messages, as a list that is empty if there are none."""
    return list(islice(requests_for([message for message, _, _ in entries[:MAX_BATCH_COMMANDS]]), 1))
