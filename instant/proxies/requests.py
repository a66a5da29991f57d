"""The server's questions, read strictly: what has another form than the server writes was not written by it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import serializer

#: Characters of a name: those of signals are no longer.
MAX_METHOD = 255
#: Half of a surrogate pair, as JSON may escape it: no database takes one.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class BadRequest(ValueError):
    """The body has another form than the server writes; the text says what is wrong, without the body."""


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """A call from a browser.

    `user` is the server's name of who connected, "" for a visitor, and `client` the connection's id. `meta` is what
    Django signed into the connection's token: empty for a connection that belongs to no page. `headers` are the
    browser's, as far as the server hands them on.
    """

    client: str
    user: str
    method: str
    data: Any
    meta: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, body: Mapping[str, Any], headers: Mapping[str, str]) -> RpcRequest:
        """Return the call that `body` holds.

        Raises:
            BadRequest: a field is missing, or of another type.
        """
        client, method, meta = _text(body, "client"), _text(body, "method"), body.get("meta")
        if not client:
            raise BadRequest("client is missing")
        if len(method) > MAX_METHOD:  # it goes into logs
            raise BadRequest("method is too long")
        if meta is not None and not isinstance(meta, dict):
            raise BadRequest("meta is no object")
        return cls(client, _text(body, "user"), method, body.get("data"), meta or {}, headers)


def _text(body: Mapping[str, Any], name: str) -> str:
    """The server leaves out what is empty."""
    value = body.get(name, "")
    if not isinstance(value, str):
        raise BadRequest(f"{name} is no text")
    return value


def decode(content: bytes) -> dict[str, Any]:
    """Return the object that `content` holds as JSON.

    Raises:
        BadRequest: it holds none, one of too many levels, or text that is none.
    """
    try:
        body = serializer.decode(content)
        if _SURROGATE.search(content):
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON in UTF-8, or has too many levels") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is no object")
    return body
