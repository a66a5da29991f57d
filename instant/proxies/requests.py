"""Centrifugo's requests, parsed strictly. A request of another form does not come from Centrifugo."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import serializer

#: The most characters of a method's name. No signal has a longer name.
MAX_METHOD = 255
#: Half of a surrogate pair, as JSON may escape it. No database accepts such text.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class BadRequest(ValueError):
    """Raised if the body is not a request of Centrifugo. The text says what is wrong, without quoting the body."""


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """A call from a browser.

    `user` is the user's id in Centrifugo ("" for a visitor), and `client` is the connection's id. `meta` is what Django
    signed into the connection token; it is empty if the connection belongs to no page. `headers` are those headers of
    the browser that Centrifugo forwards.
    """

    client: str
    user: str
    method: str
    data: Any
    meta: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, body: Mapping[str, Any], headers: Mapping[str, str]) -> RpcRequest:
        """Return the call in `body`.

        Raises:
            BadRequest: the client is missing, the method is too long, or a field has a wrong type.
        """
        client, method, meta = _text(body, "client"), _text(body, "method"), body.get("meta")
        if not client:
            raise BadRequest("client is missing")
        if len(method) > MAX_METHOD:  # it is written to logs
            raise BadRequest("method is too long")
        if meta is not None and not isinstance(meta, dict):
            raise BadRequest("meta is not an object")
        return cls(client, _text(body, "user"), method, body.get("data"), meta or {}, headers)


def _text(body: Mapping[str, Any], name: str) -> str:
    """Return the text of a field. Centrifugo leaves out empty fields."""
    value = body.get(name, "")
    if not isinstance(value, str):
        raise BadRequest(f"{name} is not text")
    return value


def decode(content: bytes) -> dict[str, Any]:
    """Return the JSON object in `content`.

    Raises:
        BadRequest: `content` is not a JSON object, has too many levels, or contains invalid text.
    """
    try:
        body = serializer.decode(content)
        if _SURROGATE.search(content):
            json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON in UTF-8, or has too many levels") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not an object")
    return body
