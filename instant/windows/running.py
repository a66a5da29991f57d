"""Runs the functions of signals: all functions of a queued call, or one function after its guard and arguments were
checked.
"""

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
    """Report whether the guard of a function allows a window's call. Any exception denies access and is logged.

    The caller has already refused users who are deleted or not active.
    """
    try:
        return is_true(awaited(connection.guard.allows(info.user, connection, info, dict(opts))))
    except Exception:
        logger.exception("the guard of the signal %s raised an exception, so the call is denied", connection)
        return False


def value_of(connection: Connection, info: WindowInfo, arguments: Mapping[str, Any]) -> Any:
    """Call one function in the window's language and time zone, and return its result. Its exceptions propagate.

    Savepoints protect the open transactions from a query that fails in the function.
    """
    with info.activated(), in_savepoints():
        return awaited(connection.function(info, **arguments))


def run_trusted(connection: Connection, info: WindowInfo, opts: Mapping[str, Any]) -> None:
    """Call one function for the server itself. Exceptions are logged, because no caller waits for the result."""
    try:
        value_of(connection, info, connection.parameters.bind(opts))
    except (Deny, Disconnect) as error:
        logger.warning("the signal %s refused a call from the server: %s", connection, error)
    except Exception:
        logger.exception("the signal %s failed", connection)


def run(call: Call, uid: str | None = None) -> None:
    """Run a queued call. `uid` identifies its messages, and is the same if the call runs again.

    For a call from a browser, the user is read from the database again. Nothing is called for a user who is deleted,
    inactive or no longer allowed.

    Raises:
        Exception: the first exception of the functions, after all of them have run, so that the worker reports it.
    """
    if call.serialized_client_topics:
        broadcast(call.serialized_client_topics, call.name, call.kwargs, uid=uid)
    if not call.to_server:
        return
    info = WindowInfo.from_dict(call.window_info)
    if call.from_client and info.is_refused:
        logger.warning("refused a queued call of %r: user %s was deleted or is not active", call.name, info.user_id)
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
        user = info.user_id or "(a visitor)"
        logger.warning("refused a queued call of %s: user %s has no permission", connection, user)
        return []
    try:
        value_of(connection, info, connection.parameters.bind(call.kwargs))
    except (Deny, Disconnect) as error:
        logger.warning("the signal %s refused a queued call: %s", connection, error)
    except Exception as error:
        logger.exception("the signal %s failed", connection)
        return [error]
    return []
