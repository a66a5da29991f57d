"""WebSocketHandler: an object for each open socket, without a Django that holds sockets.

Read `handler` first. `registry` has the handlers by name, `connection` is one open socket, `pool` all of a process.
The transports are in `instant.worker`, the process of `manage.py run_wsserver`.
"""

from __future__ import annotations

from ..access.permissions import AUTHENTICATED, EVERYONE
from .handler import SocketInfo, WebSocketHandler
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
