"""WebSocketHandler: an object for each open socket, without a Django that holds sockets.

Read `handler` first. `registry` has the handlers by name, `connection` is one open socket, `crowd` all of a process.
What a client subscribes to as `ws:<name>:…` reaches `worker` as a stream of Centrifugo's, and `bridge` serves plain
WebSockets; `manage.py run_wsserver` runs both.
"""

from __future__ import annotations

from .handler import AUTHENTICATED, EVERYONE, SocketInfo, WebSocketHandler
from .registry import autodiscover, registered, socket

__all__ = [
    "AUTHENTICATED",
    "EVERYONE",
    "SocketInfo",
    "WebSocketHandler",
    "autodiscover",
    "registered",
    "socket",
]
