"""Answers calls from browsers, which Centrifugo's RPC proxy forwards. Each error becomes an explicit reply."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db import connections

from ..channels import tenants
from ..conf.settings import conf
from ..exceptions import Deny, Disconnect, InvalidMessage
from ..serializer import encode
from ..windows.rpc import call
from . import replies
from .rate_limits import calls
from .requests import BadRequest, RpcRequest, decode

logger = logging.getLogger("instant")


def respond(content: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the reply to a request body, as JSON. Exceptions are logged and become replies."""
    try:
        return encode(answer(decode(content), headers))
    except BadRequest as error:
        return encode(_bad(error))
    except InvalidMessage:  # the result of a function cannot be encoded
        logger.exception("the result of a call from a browser cannot be encoded as JSON")
        _roll_back()
        return encode(_failed())


def too_large() -> bytes:
    """Return the reply to a request whose body is too large to be read."""
    logger.warning("refused a call from a browser, because its body is too large")
    return encode(replies.error(replies.TOO_LARGE, "the call is too large"))


def answer(body: dict[str, Any], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the reply to a request. `headers` are those that Centrifugo forwarded.

    Exceptions are logged and become replies.
    """
    try:
        return _answered(RpcRequest.read(body, headers or {}))
    except BadRequest as error:
        return _bad(error)
    except Deny as error:
        _roll_back()
        return replies.error(error.code, error.reason)
    except Disconnect as error:
        _roll_back()
        return replies.disconnect(error.code, error.reason)
    except Exception:
        logger.exception("a call from a browser failed")
        _roll_back()
        return _failed()


def _answered(request: RpcRequest) -> dict[str, Any]:
    # All connections of a user share a bucket. All visitors have the user "", so each connection of a visitor has its
    # own.
    caller = f"user {request.user}" if request.user else f"client {request.client}"
    if not calls.take(caller, conf.rpc_rate):
        logger.warning("refused a call of %r, because the user %r makes too many calls", request.method, request.user)
        return replies.error(replies.TOO_MANY, f"too many calls; the limit is {conf.INSTANT_RPC_RATE}")
    if "window" in request.meta and request.meta.get("user") != request.user:
        logger.warning(
            "refused a call of %r, because its window belongs to another user than %r", request.method, request.user
        )
        return replies.error(replies.FORBIDDEN, "this window belongs to another user")
    with tenants.entered_for(request.user, request.meta):
        value = call(
            request.method,
            request.data,
            user=request.user,
            client=request.client,
            meta=request.meta,
            headers=request.headers,
        )
    return replies.result(value)


def _bad(error: BadRequest) -> dict[str, Any]:
    logger.warning("refused a malformed call from Centrifugo: %s", error)
    return replies.error(replies.BAD_REQUEST, f"bad request: {error}")


def _failed() -> dict[str, Any]:
    return replies.error(replies.INTERNAL, "internal error")


def _roll_back() -> None:
    """With ATOMIC_REQUESTS, roll back the request's transaction, as Django does if a view raises an exception."""
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)
