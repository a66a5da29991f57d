"""Backend "python", the default: publishes by the server's HTTP API, several messages in one batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar

from ..centrifugo import http
from ..conf.settings import conf
from ..exceptions import PublishError, Rejected, ServerError, Unreachable
from ..messages import Message, Receipt
from ..protocol import MAX_BATCH_BYTES, MAX_BATCH_COMMANDS
from ..serializer import quoted
from .base import BaseBackend


class PythonBackend(BaseBackend):
    """Publishes by HTTP and waits for the server's response, so that errors reach the caller."""

    name: ClassVar[str] = "python"

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        deadline = _deadline(timeout)
        requests, written = requests_for(messages), list[Request]()
        receipts, answers = list[Receipt](), list[_Answered]()

        def meanwhile() -> None:
            """Prepare the next request and read the previous response while the server works on the current request."""
            written.extend(islice(requests, 1))
            receipts.extend(self._read(answers))

        while request := written.pop() if written else next(requests, None):
            several = meanwhile if len(messages) > len(request.messages) else None
            try:
                answers.append((request, http.post(request.method, request.body, deadline - time.monotonic(), several)))
            except ServerError as error:
                answers.append((request, error))
        receipts.extend(self._read(answers))
        return receipts

    async def asend(
        self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False
    ) -> list[Receipt]:
        deadline = _deadline(timeout)
        answers: list[_Answered] = []
        for request in requests_for(messages):
            try:
                answers.append((request, await http.apost(request.method, request.body, deadline - time.monotonic())))
            except ServerError as error:
                answers.append((request, error))
        return self._read(answers)

    def _read(self, answers: list[_Answered]) -> list[Receipt]:
        """Return the receipts for these responses, and clear the list."""
        receipts: list[Receipt] = []
        for request, answer in answers:
            try:
                if isinstance(answer, ServerError):
                    raise answer
                receipts += self._receipts(request, answer)
            except ServerError as error:
                receipts += [self._failed(message, error) for message in request.messages]
        answers.clear()
        return receipts

    def _receipts(self, request: Request, answer: dict[str, Any]) -> list[Receipt]:
        return [
            self._failed(message, http.api_error(result["error"]))
            if "error" in result
            else Receipt(message, result.get("offset", 0), result.get("epoch", ""))
            for message, result in zip(request.messages, request.results(answer), strict=True)
        ]

    def _failed(self, message: Message, error: ServerError) -> Receipt:
        about: dict[str, Any] = {"channel": message.channel, "backend": self.name, "retryable": error.retryable}
        # Codes below 200 are the server's API errors. HTTP statuses may come from a proxy.
        if error.code == 401 or 100 <= error.code < 200:
            wrapped: PublishError = Rejected(error.reason, code=error.code, **about)
        else:
            wrapped = Unreachable(error.reason, **about)
        wrapped.__cause__ = error
        return Receipt(message, error=wrapped)


def _deadline(timeout: float | None) -> float:
    return time.monotonic() + (conf.INSTANT_PUBLISH_TIMEOUT if timeout is None else timeout)


class Request:
    """One request. Each command is a publish, or a broadcast if consecutive messages have the same payload."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        #: For each command: its first message as a publish, and the number of its messages.
        self.publishes: list[bytes] = []
        self.counts: list[int] = []
        self.size = len(b'{"commands":[]}')
        self.body = b""

    def take(self, message: Message) -> bool:
        """Add a message unless that exceeds the limits. A message that exceeds them alone gets its own request."""
        joins = bool(self.messages) and self.messages[-1].payload is message.payload
        publish = quoted(message.server_channel) if joins else message.command()
        size = self.size + len(publish) + len(b'{"broadcast":{s[]}},')
        if self.messages and (len(self.messages) == MAX_BATCH_COMMANDS or size > MAX_BATCH_BYTES):
            return False
        self.messages.append(message)
        self.size = size
        if joins:
            self.counts[-1] += 1
        else:
            self.publishes.append(publish)
            self.counts.append(1)
        return True

    @property
    def method(self) -> str:
        """The API method. The server processes a batch in order, because the batch does not set `parallel`."""
        if len(self.counts) > 1:
            return "batch"
        return "publish" if len(self.messages) == 1 else "broadcast"

    def written(self) -> Request:
        """Write the body and return the request. This happens while the server works on the previous request."""
        if len(self.messages) == 1:
            self.body = self.publishes[0]
        elif len(self.counts) == 1:
            self.body = _broadcast(self.messages)
        else:
            self.body = b'{"commands":[%b]}' % b",".join(self._commands())
        return self

    def _commands(self) -> Iterator[bytes]:
        start = 0
        for publish, count in zip(self.publishes, self.counts, strict=True):
            if count == 1:
                yield b'{"publish":%b}' % publish
            else:
                yield b'{"broadcast":%b}' % _broadcast(self.messages[start : start + count])
            start += count

    def results(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the result of each message, or the object with its error.

        Raises:
            ServerError: the response does not match the request.
        """
        single = len(self.counts) == 1
        replies = [{self.method: answer.get("result") or {}}] if single else answer.get("replies") or []
        results: list[dict[str, Any]] = []
        for count, reply in zip(self.counts, replies, strict=False):
            if "error" in reply:
                results += [reply] * count
            elif count == 1:
                results.append(reply.get("publish") or {})
            else:
                responses = (reply.get("broadcast") or {}).get("responses") or []
                results += [response if "error" in response else response.get("result") or {} for response in responses]
        if len(results) != len(self.messages):
            reason = f"the server answered {len(results)} of {len(self.messages)} messages"
            raise ServerError(reason, retryable=True)
        return results


#: A request with the server's response, or with the error that occurred.
_Answered = tuple[Request, dict[str, Any] | ServerError]


def requests_for(messages: Sequence[Message]) -> Iterator[Request]:
    """Yield requests with their bodies, each with at most MAX_BATCH_COMMANDS messages and MAX_BATCH_BYTES bytes."""
    request = Request()
    for message in messages:
        if not request.take(message):
            yield request.written()
            request = Request()
            request.take(message)
    if request.messages:
        yield request.written()


def _broadcast(run: list[Message]) -> bytes:
    channels = b",".join([quoted(message.server_channel) for message in run])
    first = run[0]
    return b'{"channels":[%b],"data":%b,"idempotency_key":%b%b' % (
        channels,
        first.payload,
        quoted(first.uid),
        first.tail(),
    )
