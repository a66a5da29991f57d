"""The default: each publish is a request to the server's HTTP API, over kept connections; many are one batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ..centrifugo import http
from ..conf import conf
from ..contract import MAX_BATCH_BYTES, MAX_BATCH_COMMANDS
from ..exceptions import PublishError, Rejected, ServerError, Unreachable
from ..messages import Message, Receipt
from .base import BaseBackend

_FRAME = b'{"commands":[%b]}'
_COMMAND = b'{"publish":%b}'


class PythonBackend(BaseBackend):
    """Publish by HTTP and wait for the server's answer, so that errors reach the caller."""

    name: ClassVar[str] = "python"

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        deadline = _deadline(timeout)
        receipts: list[Receipt] = []
        for batch, method, body in _batches(messages):
            try:
                receipts += self._receipts(batch, http.post(method, body, deadline - time.monotonic()))
            except ServerError as error:
                receipts += self._failed(batch, error)
        return receipts

    async def asend(
        self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False
    ) -> list[Receipt]:
        deadline = _deadline(timeout)
        receipts: list[Receipt] = []
        for batch, method, body in _batches(messages):
            try:
                receipts += self._receipts(batch, await http.apost(method, body, deadline - time.monotonic()))
            except ServerError as error:
                receipts += self._failed(batch, error)
        return receipts

    def _receipts(self, batch: list[Message], answer: dict[str, Any]) -> list[Receipt]:
        if len(batch) == 1:
            return [_receipt(batch[0], answer.get("result") or {})]
        replies = answer.get("replies") or []
        if len(replies) != len(batch):
            raise ServerError(f"the server answered {len(replies)} of {len(batch)} commands", retryable=True)
        return [
            self._failed([message], http.api_error(reply["error"]))[0]
            if "error" in reply
            else _receipt(message, reply.get("publish") or {})
            for message, reply in zip(batch, replies, strict=True)
        ]

    def _failed(self, batch: list[Message], error: ServerError) -> list[Receipt]:
        return [Receipt(message, error=self._publish_error(message, error)) for message in batch]

    def _publish_error(self, message: Message, error: ServerError) -> PublishError:
        about: dict[str, Any] = {"channel": message.channel, "backend": self.name, "retryable": error.retryable}
        # Below 200 are the errors of the server's API; a status of HTTP may be that of whatever stands in between.
        if error.code == 401 or 100 <= error.code < 200:
            wrapped: PublishError = Rejected(error.reason, code=error.code, **about)
        else:
            wrapped = Unreachable(error.reason, **about)
        wrapped.__cause__ = error
        return wrapped


def _deadline(timeout: float | None) -> float:
    return time.monotonic() + (conf.INSTANT_PUBLISH_TIMEOUT if timeout is None else timeout)


def _batches(messages: Sequence[Message]) -> Iterator[tuple[list[Message], str, bytes]]:
    """Cut the messages into requests of at most MAX_BATCH_COMMANDS commands and MAX_BATCH_BYTES bytes: what each holds,
    its method and its body. A larger message goes alone."""
    batch: list[Message] = []
    commands: list[bytes] = []
    size = len(_FRAME)
    for message in messages:
        command = message.command()
        length = len(command) + len(_COMMAND)
        if batch and (len(batch) == MAX_BATCH_COMMANDS or size + length > MAX_BATCH_BYTES):
            yield batch, *_request(commands)
            batch, commands, size = [], [], len(_FRAME)
        batch.append(message)
        commands.append(command)
        size += length
    if batch:
        yield batch, *_request(commands)


def _request(commands: list[bytes]) -> tuple[str, bytes]:
    """The method and the body: the server keeps a batch in order, as `parallel` is not asked for."""
    if len(commands) == 1:
        return "publish", commands[0]
    return "batch", _FRAME % b",".join(_COMMAND % command for command in commands)


def _receipt(message: Message, result: dict[str, Any]) -> Receipt:
    return Receipt(message, offset=result.get("offset", 0), epoch=result.get("epoch", ""))
