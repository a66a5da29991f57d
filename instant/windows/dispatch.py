"""Calls from browsers: permissions, arguments and results."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..exceptions import Deny, Disconnect, InvalidMessage, InvalidSignal, NotQueued
from ..protocol import NO_SUCH_SIGNAL
from .dotted_path_settings import plain
from .queued_calls import Call
from .queues import enqueue, grouped
from .registry import Connection, find
from .running import allows, value_of
from .window_info import WindowInfo

logger = logging.getLogger("instant")


@dataclass(frozen=True, slots=True)
class Value:
    """The JSON-serializable result, if exactly one function was called without a queue."""

    value: Any


@dataclass(frozen=True, slots=True)
class Queued:
    """The call was accepted, and has no result."""


Answer = Value | Queued
#: The functions that the window may call, with their arguments.
_Allowed = list[tuple[Connection, dict[str, Any]]]


def call(name: str, opts: Mapping[str, Any] | None, info: WindowInfo) -> Answer:
    """Call the functions of the signal `name` that the window may call. Functions without a queue run now.

    All functions run. Then the first refusal or error is raised.

    Raises:
        Deny: there is no such signal (404), an argument does not fit (400), the user is not active or no guard allows
            the call (403), a queue cannot be reached (503), a function failed (500), or a function or a converter
            raised it.
        Disconnect: a function raised it.
    """
    allowed = _allowed(name, {} if opts is None else opts, info)
    _enqueue(name, dict(opts or {}), info, allowed)
    inline = [(connection, arguments) for connection, arguments in allowed if connection.queue is None]
    values: list[Any] = []
    errors: list[Deny | Disconnect] = []
    for connection, arguments in inline:
        try:
            values.append(_value(connection, arguments, info))
        except (Deny, Disconnect) as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return Value(values[0]) if len(values) == 1 else Queued()


def _allowed(name: str, opts: Mapping[str, Any], info: WindowInfo) -> _Allowed:
    """Return the functions that may be called. All arguments are checked before the first function is called."""
    connections = [connection for connection in find(name) if not connection.is_server_side]
    if not connections:
        if server_side := find(name):
            logger.warning(
                "refused a call of %s: its guard is server_side, which is the default, so only the server may call it. "
                "To allow browsers, give it another guard: @signal(%r, is_allowed_to=is_authenticated)",
                server_side[0],
                name,
            )
        raise Deny(404, NO_SUCH_SIGNAL)
    if not isinstance(opts, Mapping):
        raise Deny(400, "the arguments must be an object")
    if info.is_refused:
        raise Deny(403, "this account is not active")
    allowing = [connection for connection in connections if allows(connection, info, opts)]
    if not allowing:
        logger.warning("refused a call of %r: user %s has no permission", name, info.user_id or "(a visitor)")
        raise Deny(403, "you may not call this signal")
    try:
        return [(connection, connection.parameters.bind(opts)) for connection in allowing]
    except InvalidSignal as error:
        logger.exception("the signal %r cannot be called", name)
        raise Deny(500, "internal error") from error


def _enqueue(name: str, opts: dict[str, Any], info: WindowInfo, allowed: _Allowed) -> None:
    wanted = {connection.queue for connection, _ in allowed}
    for queue, own in grouped(find(name)).items():
        if queue is not None and queue in wanted:
            try:
                enqueue(Call(name, info.to_dict(), opts, from_client=True, to_server=True, queue=own), queue)
            except NotQueued as error:
                logger.error("refused a call of %r: %s", name, error)
                raise Deny(503, "the queue cannot be reached, try again later") from error


def _value(connection: Connection, arguments: dict[str, Any], info: WindowInfo) -> Any:
    try:
        return plain(value_of(connection, info, arguments))
    except (Deny, Disconnect):
        raise
    except InvalidMessage as error:
        logger.error("the signal %s returned a value that cannot be sent: %s", connection, error)
        raise Deny(500, "internal error") from error
    except Exception as error:
        logger.exception("the signal %s failed", connection)
        raise Deny(500, "internal error") from error
