"""For the tests of sites that use django-instant: no server needed to see what is published, and one to try it live.

`capture_published()` (pytest: the fixture `published`), `SignalQueue` (`signal_queue`), `SocketCommunicator`,
`live_server()`, and `can()`, which asks who may join.
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

# pytest imports this package in every project that has django-instant, with Django or without.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".access": ("acan", "can"),
        ".capture": ("Published", "capture_published"),
        ".live_servers": ("LiveServer", "live_server"),
        ".sockets": ("SocketCommunicator",),
    },
)
