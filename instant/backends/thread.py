"""publish() returns at once, and a thread of the process sends by HTTP, in batches of all that waits."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from ..centrifugo import http
from ..contract import MAX_BATCH_BYTES, MAX_BATCH_COMMANDS
from ..exceptions import ServerError
from ..messages import Message, Receipt
from .outgoing import Entry, Outgoing
from .python import PythonBackend
from .queueing import QueueingBackend

#: Seconds that one request may take.
REQUEST_TIMEOUT = 5.0
#: Seconds that a message is tried for while the server is away.
RETRY_FOR = 30.0
#: Seconds between two tries: doubled from the first to the last.
PAUSES = (0.05, 1.0)
#: What a command has besides its payload and its channel: the uid, the keys.
_COMMAND_BYTES = 128


class _Http(PythonBackend):
    """One request at a time, whose receipts are made only where somebody reads them."""

    name: ClassVar[str] = "thread"  # in errors

    def request(self, entries: list[Entry]) -> list[Receipt] | None:
        """Send what fits into one request; return its receipts, or None where the server took all and nobody waits."""
        messages = [message for message, _, _ in entries]
        if len(messages) == 1:
            return self.send(messages, REQUEST_TIMEOUT)
        body = b'{"commands":[{"publish":%b}]}' % b'},{"publish":'.join([message.command() for message in messages])
        try:
            replies = http.post("batch", body, REQUEST_TIMEOUT).get("replies") or []
            if len(replies) != len(messages):
                raise ServerError(f"the server answered {len(replies)} of {len(messages)} messages", retryable=True)
        except ServerError as error:
            return [self._failed(message, error) for message in messages]
        if any(tell for _, tell, _ in entries) or any("error" in reply for reply in replies):
            return [self._receipt(message, reply) for message, reply in zip(messages, replies, strict=True)]
        return None

    def _receipt(self, message: Message, reply: dict[str, Any]) -> Receipt:
        if "error" in reply:
            return self._failed(message, http.api_error(reply["error"]))
        result = reply.get("publish") or {}
        return Receipt(message, result.get("offset", 0), result.get("epoch", ""))


class ThreadBackend(QueueingBackend):
    """Queue messages for a thread that sends them by HTTP. An outage is waited out for RETRY_FOR seconds."""

    name: ClassVar[str] = "thread"

    def __init__(self) -> None:
        super().__init__()
        self._http = _Http()

    def deliver(self, out: Outgoing, entries: list[Entry]) -> None:
        pause, last = PAUSES
        while entries:
            request = entries[: _fitting(entries)]
            again = self._request(out, request)
            entries[: len(request)] = again
            if again:
                time.sleep(pause)
                pause = min(2 * pause, last)
            else:
                pause = PAUSES[0]

    def _request(self, out: Outgoing, request: list[Entry]) -> list[Entry]:
        """Send one request, and return what must be tried again."""
        receipts = self._http.request(request)
        out.figures.batches += 1
        if receipts is None:
            out.settle(request)
            return []
        oldest = time.monotonic() - RETRY_FOR
        again = [
            entry
            for entry, receipt in zip(request, receipts, strict=True)
            if receipt.error is not None and receipt.error.retryable and entry[2] > oldest
        ]
        if again:
            out.figures.retried += len(again)
            kept = {id(entry) for entry in again}
            settled = [pair for pair in zip(request, receipts, strict=True) if id(pair[0]) not in kept]
            request, receipts = [entry for entry, _ in settled], [receipt for _, receipt in settled]
        out.settle(request, receipts)
        return again


def _fitting(entries: list[Entry]) -> int:
    """How many make one request. Two would break the order where the first one fails and the second does not."""
    size = 0
    for count, (message, _, _) in enumerate(entries[:MAX_BATCH_COMMANDS]):
        size += len(message.payload) + 2 * len(message.channel) + _COMMAND_BYTES  # a byte of a name may be escaped
        if count and size > MAX_BATCH_BYTES:
            return count
    return min(len(entries), MAX_BATCH_COMMANDS)
