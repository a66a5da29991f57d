"""The default: each publish is a request to the server's HTTP API, over kept connections; many are one batch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ..centrifugo import http
from ..conf import conf
from ..contract import MAX_BATCH_BYTES, MAX_BATCH_COMMANDS
from ..exceptions import PublishError, Rejected, ServerError, Unreachable
from ..messages import Message, Receipt
from .base import BaseBackend


class PythonBackend(BaseBackend):
    """Publish by HTTP and wait for the server's answer, so that errors reach the caller."""

    name: ClassVar[str] = "python"

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        deadline = _deadline(timeout)
        receipts: list[Receipt] = []
        for request in _requests(messages):
            try:
                answer = http.post(request.method, request.body(), deadline - time.monotonic())
                receipts += self._receipts(request, answer)
            except ServerError as error:
                receipts += [self._failed(message, error) for message in request.messages]
        return receipts

    async def asend(
        self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False
    ) -> list[Receipt]:
        deadline = _deadline(timeout)
        receipts: list[Receipt] = []
        for request in _requests(messages):
            try:
                answer = await http.apost(request.method, request.body(), deadline - time.monotonic())
                receipts += self._receipts(request, answer)
            except ServerError as error:
                receipts += [self._failed(message, error) for message in request.messages]
        return receipts

    def _receipts(self, request: _Request, answer: dict[str, Any]) -> list[Receipt]:
        return [
            self._failed(message, http.api_error(result["error"]))
            if "error" in result
            else Receipt(message, result.get("offset", 0), result.get("epoch", ""))
            for message, result in zip(request.messages, request.results(answer), strict=True)
        ]

    def _failed(self, message: Message, error: ServerError) -> Receipt:
        about: dict[str, Any] = {"channel": message.channel, "backend": self.name, "retryable": error.retryable}
        # Below 200 are the errors of the server's API; a status of HTTP may be that of whatever stands in between.
        if error.code == 401 or 100 <= error.code < 200:
            wrapped: PublishError = Rejected(error.reason, code=error.code, **about)
        else:
            wrapped = Unreachable(error.reason, **about)
        wrapped.__cause__ = error
        return Receipt(message, error=wrapped)


def _deadline(timeout: float | None) -> float:
    return time.monotonic() + (conf.INSTANT_PUBLISH_TIMEOUT if timeout is None else timeout)


class _Request:
    """One request: runs of messages, each of one payload, that become a publish or, to many channels, a broadcast."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.runs: list[list[Message]] = []
        self.size = 64

    def takes(self, size: int) -> bool:
        """Whether so many bytes more keep within the limits; a larger message goes alone."""
        return not self.messages or (len(self.messages) < MAX_BATCH_COMMANDS and self.size + size <= MAX_BATCH_BYTES)

    def add(self, message: Message, size: int) -> None:
        self.messages.append(message)
        self.size += size
        if self.runs and self.runs[-1][0].payload is message.payload:
            self.runs[-1].append(message)
        else:
            self.runs.append([message])

    @property
    def method(self) -> str:
        """The API's method: the server keeps a batch in order, as `parallel` is not asked for."""
        if len(self.runs) > 1:
            return "batch"
        return "publish" if len(self.messages) == 1 else "broadcast"

    def body(self) -> bytes:
        if len(self.runs) == 1:
            return _command(self.runs[0])
        commands = (b'{"publish":%b}' if len(run) == 1 else b'{"broadcast":%b}' for run in self.runs)
        return b'{"commands":[%b]}' % b",".join(
            command % _command(run) for command, run in zip(commands, self.runs, strict=True)
        )

    def results(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the result, or the object with the error, of each message.

        Raises:
            ServerError: the answer does not fit the request.
        """
        single = len(self.runs) == 1
        replies = [{self.method: answer.get("result") or {}}] if single else answer.get("replies") or []
        results: list[dict[str, Any]] = []
        for run, reply in zip(self.runs, replies, strict=False):
            if "error" in reply:
                results += [reply] * len(run)
            elif len(run) == 1:
                results.append(reply.get("publish") or {})
            else:
                responses = (reply.get("broadcast") or {}).get("responses") or []
                results += [response if "error" in response else response.get("result") or {} for response in responses]
        if len(results) != len(self.messages):
            reason = f"the server answered {len(results)} of {len(self.messages)} messages"
            raise ServerError(reason, retryable=True)
        return results


def _requests(messages: Sequence[Message]) -> Iterator[_Request]:
    """Cut the messages into requests of at most MAX_BATCH_COMMANDS messages and MAX_BATCH_BYTES bytes."""
    request = _Request()
    for message in messages:
        # At most: the name and the key in JSON, and the words around them.
        key = len(message.uid) if message.uid.isalnum() and message.uid.isascii() else 6 * len(message.uid)
        name = len(message.channel) + message.channel.count('"') + message.channel.count("\\")
        size = len(message.payload) + name + key + 60
        if not request.takes(size):
            yield request
            request = _Request()
        request.add(message, size)
    if request.messages:
        yield request


def _command(run: list[Message]) -> bytes:
    if len(run) == 1:
        return run[0].command()
    channels = json.dumps([message.channel for message in run]).encode()
    first = run[0]
    return b'{"channels":%b,"data":%b,"idempotency_key":%b}' % (channels, first.payload, json.dumps(first.uid).encode())
