"""SocketPool: admits, limits and closes the sockets of a worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied

from ..access.ended_sessions import has_ended
from ..access.guards import handler_guard
from ..access.known_rights import note_rights_of_connection
from ..channels.user_ids import user_in_site
from ..conf.settings import conf
from ..exceptions import Deny
from ..user_callables import is_true
from . import close_codes, registry
from .connection import Opening, Socket
from .handler import WebSocketHandler
from .handler_calls import Calls, Runner

logger = logging.getLogger("instant")


class SocketPool:
    """The open sockets of a worker. A socket is part of the pool until its `on_close` has finished."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._running: dict[Socket, asyncio.Task[None]] = {}
        self._opening = 0
        self._stopped = False

    def __len__(self) -> int:
        return len(self._running)

    async def open(
        self, opening: Opening, pack: Callable[[Any], bytes], handler_class: type[WebSocketHandler] | None = None
    ) -> Socket:
        """Open a socket, and start its handler.

        Raises:
            Deny: there is no such handler, or its permission denies access or failed. The user was deleted, is not
                active, or belongs to another tenant. The user's session has ended. Too many sockets are open, or the
                pool has been stopped.
        """
        if self._stopped or len(self._running) + self._opening >= conf.sockets_limit:
            logger.warning(
                "refused a socket: %s sockets are open; the limit is INSTANT_SOCKETS_LIMIT, or the worker is stopping",
                len(self._running),
            )
            raise close_codes.too_many()
        calls = self._runner.calls()
        calls.tenant = opening.tenant
        self._opening += 1
        try:
            handler = await _admitted(opening, calls, handler_class)
            socket = Socket(handler, calls, pack)
        except BaseException:
            calls.close()
            raise
        finally:
            self._opening -= 1
        task = asyncio.get_running_loop().create_task(socket.run())
        self._running[socket] = task
        task.add_done_callback(lambda _: self._running.pop(socket, None))
        return socket

    async def wait(self, patience: float | None = None) -> int:
        """Wait until all sockets have ended, for at most `patience` seconds. Return the number of open sockets."""
        tasks = list(self._running.values())
        if not tasks:
            return 0
        return len((await asyncio.wait(tasks, timeout=patience))[1])

    async def stop(self, patience: float) -> int:
        """Close all sockets. Return the number of sockets that are still open after `patience` seconds."""
        self._stopped = True
        for socket in list(self._running):
            socket.end(None)
        return await self.wait(patience)


async def _admitted(
    opening: Opening, calls: Calls, handler_class: type[WebSocketHandler] | None = None
) -> WebSocketHandler:
    try:
        handler = (handler_class or registry.find(opening.name))()
        handler.namespace, handler.client_id = opening.name or registry.DEFAULT, opening.client
        handler.data, handler.info, handler._sub = opening.data, opening.info, opening.user
        if opening.who is not None:
            handler.user = opening.who
        await calls.run(_require_session, handler)
        answer = await calls.run(_answer, handler)
        # Called in a thread, because the result may be a queryset, which uses the database.
        is_allowed = answer if isinstance(answer, bool) else await calls.run(is_true, answer)
    except Deny:
        raise
    except PermissionDenied as error:
        raise close_codes.forbidden() from error
    except Exception as error:
        logger.exception("refused the socket %r after an exception", opening.name)
        raise close_codes.failed() from error
    if not is_allowed:
        raise close_codes.forbidden()
    return handler


def _require_session(handler: WebSocketHandler) -> None:
    """Refuse a socket if the session has ended after the token was issued, or if the user belongs to another tenant.

    Raises:
        Deny: the session has ended, or the user belongs to another tenant.
    """
    info = handler.info
    if user_in_site(handler._sub) is None:
        raise close_codes.forbidden()
    # A visitor has no log-in that could end. Connections of SocketCommunicator have no connection token.
    is_bound = info.transport == "centrifugo" or (info.transport == "websocket" and info.meta)
    if not handler._sub or not is_bound:
        return
    if has_ended(handler.user, info.meta):
        raise close_codes.forbidden()
    note_rights_of_connection(handler.user, info.meta)


def _answer(handler: WebSocketHandler) -> Any:
    """Return the result of the permission, which may be awaitable.

    The user is read here, in a thread, because an async method cannot read it from the database later.

    Raises:
        Deny: the user is deleted or inactive.
    """
    if handler._sub and not handler.user.is_authenticated:
        raise close_codes.forbidden()
    return handler_guard(type(handler)).allows(handler.user, handler)
