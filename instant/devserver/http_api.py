"""The HTTP API without HTTP: it receives keys, paths and bodies, and returns statuses and texts."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from instant.devserver import wire_json
from instant.devserver.api import Api, UnknownMethodError, commands_of
from instant.devserver.errors import BAD_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from instant.devserver.config_options import HttpApiOptions

logger = logging.getLogger("instant.devserver")

#: HTTP statuses of errors for callers that use the error mode "transport".
_STATUSES: Final = {100: 500, 102: 404, 104: 404, 107: 400, 108: 400, 112: 416}
#: Number of commands of a batch that run before the sockets are served again.
_AT_ONCE: Final = 50


class Answer(NamedTuple):
    """The answer to an HTTP request. Text that is not JSON is plain text."""

    status: int
    text: str = ""
    is_json: bool = False


#: Yields where waiting frames should be sent, so that a large batch does not make clients look like slow readers.
Answering = Generator[None, None, Answer]

_REFUSED: Final = Answer(400, "Bad Request\n")
_NOT_FOUND: Final = Answer(404, "404 page not found\n")


class HttpApi:
    """Answers requests to `/api/<method>` and to the old `/api`."""

    def __init__(self, api: Api, options: HttpApiOptions) -> None:
        self._api, self._options = api, options

    def knows(self, method: str) -> bool:
        """Return whether there is a path for this method."""
        return method == "batch" or self._api.has(method)

    def admits(self, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Return whether the request has the API key. Keys are compared in constant time.

        The key is read from `X-API-Key`, `Authorization: apikey KEY` or `?api_key=`.
        """
        if self._options.insecure:
            return True
        if not self._options.key:
            logger.error("API key is empty")
            return False
        given = headers.get("X-API-Key", "")
        scheme, _, key = headers.get("Authorization", "").strip().partition(" ")
        if not given and scheme.lower() == "apikey":
            given = key.strip()
        return self._is_key(given) or self._is_key(query.get("api_key", ""))

    def answer(self, method: str, body: bytes, headers: Mapping[str, str]) -> Answering:
        """Run one method and return its answer."""
        try:
            request = _object(wire_json.decode(body))
            reply = (yield from self._batch(request)) if method == "batch" else self._api.call(method, request)
        except UnknownMethodError:
            return _NOT_FOUND
        except wire_json.MalformedError as error:
            logger.error("error decoding API request body: %s", error)
            return _REFUSED
        in_transport = "transport" in (self._options.error_mode, headers.get("X-Centrifugo-Error-Mode"))
        if in_transport and "error" in reply:
            return Answer(_STATUSES[reply["error"]["code"]], wire_json.encode(reply["error"]), is_json=True)
        return Answer(200, wire_json.encode(reply), is_json=True)

    def answer_old(self, body: bytes) -> Answering:
        """Run the `{"method", "params"}` objects in the body, one after another, and return one answer for all."""
        yield
        replies = []
        try:
            for command in _objects(body.decode()):
                reply = self._run_old(command)
                replies.append(wire_json.encode({**wire_json.filled(id=wire_json.read_uint(command, "id")), **reply}))
        except (ValueError, UnknownMethodError) as error:
            logger.error("error decoding API data: %s", error)
            return _REFUSED
        return Answer(200, "\n".join(replies), is_json=True) if replies else _REFUSED

    def _batch(self, request: dict[str, Any]) -> Generator[None, None, dict[str, Any]]:
        commands, replies = commands_of(request), []
        for start in range(0, len(commands), _AT_ONCE):
            part = self._api.call("batch", {"commands": commands[start : start + _AT_ONCE]})
            replies += part["replies"]
            yield
        return wire_json.filled(replies=replies)

    def _run_old(self, command: dict[str, Any]) -> dict[str, Any]:
        method = wire_json.read(command, "method", "publish").lower()
        if method == "batch":
            raise UnknownMethodError(method)
        try:
            return self._api.call(method, wire_json.read_object(command, "params") or {})
        except wire_json.MalformedError:
            return {"error": {"code": BAD_REQUEST.code, "message": BAD_REQUEST.message}}

    def _is_key(self, given: str) -> bool:
        # Bytes of a header that are not UTF-8 arrive as surrogates.
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._options.key.encode())


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wire_json.MalformedError("the body must be an object")
    return value


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        _, end = decoder.raw_decode(rest)
        yield _object(wire_json.decode(rest[:end]))
        rest = rest[end:].lstrip()
