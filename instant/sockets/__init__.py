"""WebSocketHandler: one object for each open socket. The connections are not held by Django's web workers.

Read `handler` first. `registry` contains the handlers by name, `connection` is one open socket, and `socket_pool`
contains all sockets of a process. The transports are in `instant.worker`, the process of `manage.py run_wsserver`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from ..access.guards import (
        AUTHENTICATED,
        EVERYONE,
        everyone,
        has_perm,
        is_anonymous,
        is_authenticated,
        is_staff,
        is_superuser,
        server_side,
    )
    from .handler import SocketInfo, WebSocketHandler
    from .registry import autodiscover, registered, socket

__all__ = [
    "AUTHENTICATED",
    "EVERYONE",
    "SocketInfo",
    "WebSocketHandler",
    "autodiscover",
    "everyone",
    "has_perm",
    "is_anonymous",
    "is_authenticated",
    "is_staff",
    "is_superuser",
    "registered",
    "server_side",
    "socket",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "..access.guards": (
            "AUTHENTICATED",
            "EVERYONE",
            "everyone",
            "has_perm",
            "is_anonymous",
            "is_authenticated",
            "is_staff",
            "is_superuser",
            "server_side",
        ),
        ".handler": ("SocketInfo", "WebSocketHandler"),
        ".registry": ("autodiscover", "registered", "socket"),
    },
)
