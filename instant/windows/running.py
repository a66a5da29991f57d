"""Runs the functions of signals: for a call in a queue, or one by one after guards and arguments were checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..exceptions import Deny, Disconnect
from ..in_savepoints import in_savepoints
from ..user_callables import awaited, is_true
from .broadcasting import broadcast
from .queued_calls import NO_QUEUE, Call
from .registry import Connection, find
from .window_info import WindowInfo

logger = logging.getLogger("instant")


def allows(connection: Connection, info: WindowInfo, opts: Mapping[str, Any]) -> bool:
    """Report whether the guard of a function allows the call of a window. Any exception denies, and is logged.

    The caller has refused users who are deleted or not active.
    """
    try:
        return is_true(awaited(connection.guard.allows(info.user, connection, info, dict(opts))))
    except Exception:
        logger.exception("the guard of the signal %s failed, so the call is denied", connection)
        return False


def value_of(connection: Connection, info: WindowInfo, arguments: Mapping[str, Any]) -> Any:
    """Call one function, in the window's language, and return its result or raise its exception.

    Savepoints keep a failed query from breaking the transactions around it.
    """
    with info.activated(), in_savepoints():
        return awaited(connection.function(info, **arguments))


def run_trusted(connection: Connection, info: WindowInfo, opts: Mapping[str, Any]) -> None:
    """Call one function for the server itself. Nobody waits for it, so exceptions are logged."""
    try:
        value_of(connection, info, connection.parameters.bind(opts))
    except (Deny, Disconnect) as error:
        logger.warning("the signal %s refused a call of the server's: %s", connection, error)
    except Exception:
        logger.exception("the signal %s failed", connection)


def run(call: Call, uid: str | None = None) -> None:
    """Run a call from a queue. `uid` is the same if it runs again.

    The user is read from the database; for a user who is no longer active or allowed, nothing is called. All functions
    run; then the first exception is raised, so that the worker reports it.
    """
    if call.serialized_client_topics:
        broadcast(call.serialized_client_topics, call.name, call.kwargs, uid=uid)
    if not call.to_server:
        return
    info = WindowInfo.from_dict(call.window_info)
    if call.from_client and info.is_refused:
        logger.warning("refused a queued call of %r: user %s is not active any more", call.name, info.user_id)
        return
    errors: list[Exception] = []
    for connection in find(call.name):
        if call.from_client and connection.is_server_side:
            continue
        if call.queue is None or call.queue == (connection.queue or NO_QUEUE):
            errors += _run_one(connection, call, info)
    if errors:
        raise errors[0]


def _run_one(connection: Connection, call: Call, info: WindowInfo) -> list[Exception]:
    if call.from_client and not allows(connection, info, call.kwargs):
        logger.warning("refused a queued call of %s: user %s may not", connection, info.user_id or "(a visitor)")
        return []
    try:
        value_of(connection, info, connection.parameters.bind(call.kwargs))
    except (Deny, Disconnect) as error:
        logger.warning("the signal %s refused a queued call: %s", connection, error)
    except Exception as error:
        logger.exception("the signal %s failed", connection)
        return [error]
    return []
