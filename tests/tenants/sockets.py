from __future__ import annotations

from typing import Any

from instant.sockets import WebSocketHandler, everyone, socket

from . import current


@socket("where")
class Where(WebSocketHandler):
    permission = everyone

    def on_message(self, message: Any) -> None:
        self.send([current.name(), self.user.get_username()])


@socket("awhere")
class AWhere(WebSocketHandler):
    permission = everyone

    async def on_message(self, message: Any) -> None:
        await self.asend([current.name(), self.user.get_username()])
