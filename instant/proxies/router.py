"""Hands each question to who answers it, and turns whatever happens into an explicit reply."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import connections

from ..conf import conf
from ..exceptions import Deny, Disconnect, InvalidMessage
from ..messages import encode
from . import replies
from .limits import calls
from .requests import BadRequest, RpcRequest, decode

logger = logging.getLogger("instant")

#: Answers a question: what it returns is the result's `data`.
Handler = Callable[[RpcRequest], Any]

_handlers: dict[str, Handler] = {}


def handle(kind: str, function: Handler) -> None:
    """Let `function` answer questions of this kind: "rpc" are calls from browsers."""
    _handlers[kind] = function


def respond(kind: str, content: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the reply to a body as it came, as JSON. Nothing is raised."""
    try:
        return encode(answer(kind, decode(content), headers))
    except BadRequest as error:
        return encode(_bad(kind, error))
    except InvalidMessage:  # what a function returned
        logger.exception("an answer to the server's %s cannot be sent", kind)
        _roll_back()
        return encode(_failed())


def too_large(kind: str) -> bytes:
    """Return the reply to a body that nobody reads."""
    logger.warning("refused the server's %s: its body is too large", kind)
    return encode(replies.error(replies.TOO_LARGE, "the call is too large"))


def answer(kind: str, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the reply to a question of the server, which handed on these headers of the browser's. Nothing is raised,
    and what went wrong is in the log only."""
    try:
        return _answered(kind, RpcRequest.read(body, headers or {}))
    except BadRequest as error:
        return _bad(kind, error)
    except Deny as error:
        _roll_back()
        return replies.error(error.code, error.reason)
    except Disconnect as error:
        _roll_back()
        return replies.disconnect(error.code, error.reason)
    except Exception:
        logger.exception("the server's %s could not be answered", kind)
        _roll_back()
        return _failed()


def _answered(kind: str, request: RpcRequest) -> dict[str, Any]:
    if not calls.take(request.client, conf.rpc_rate):
        logger.warning("refused a call of %r: user %r makes too many", request.method, request.user)
        return replies.error(replies.TOO_MANY, f"too many calls, at most {conf.INSTANT_RPC_RATE}")
    if request.meta and request.meta.get("user") != request.user:
        logger.warning("refused a call of %r: its window is another user's than %r", request.method, request.user)
        return replies.error(replies.FORBIDDEN, "this window belongs to another user")
    return replies.result(_handler(kind)(request))


def _handler(kind: str) -> Handler:
    if kind == "rpc" and kind not in _handlers:
        from .windows import call  # a site without signals has no need of them

        handle(kind, call)
    return _handlers[kind]


def _bad(kind: str, error: BadRequest) -> dict[str, Any]:
    logger.warning("refused the server's %s: %s", kind, error)
    return replies.error(replies.BAD_REQUEST, f"bad request: {error}")


def _failed() -> dict[str, Any]:
    return replies.error(replies.INTERNAL, "internal error")


def _roll_back() -> None:
    """With ATOMIC_REQUESTS, as where a view raises: Django itself sees an answer like any other."""
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)
