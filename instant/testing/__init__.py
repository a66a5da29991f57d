"""Tools for the tests of sites: capture what is published without a server, or run a live server.

`capture_published()` (pytest fixture `published`), `SignalQueue` (`signal_queue`), `SocketCommunicator`,
`live_server()`, and `can()`, which reports whether a user may join a channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .access import acan, can
    from .capture import Published, capture_published
    from .live_servers import LiveServer, live_server
    from .sockets import SocketCommunicator

__all__ = ["LiveServer", "Published", "SocketCommunicator", "acan", "can", "capture_published", "live_server"]

# pytest imports this package in every project that has django-instant installed, with or without Django.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".access": ("acan", "can"),
        ".capture": ("Published", "capture_published"),
        ".live_servers": ("LiveServer", "live_server"),
        ".sockets": ("SocketCommunicator",),
    },
)
