"""For the tests of sites that use django-instant: no server needed to see what is published, and one to try it live.

`capture_published()` (pytest: the fixture `published`), `SignalQueue` (`signal_queue`), `SocketCommunicator`,
`live_server()`, and `can()`, which asks who may join.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .joining import acan, can
    from .published import Published, capture_published
    from .server import LiveServer, live_server
    from .sockets import SocketCommunicator

__all__ = ["LiveServer", "Published", "SocketCommunicator", "acan", "can", "capture_published", "live_server"]

# pytest imports this package in every project that has django-instant, with Django or without.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".joining": ("acan", "can"),
        ".published": ("Published", "capture_published"),
        ".server": ("LiveServer", "live_server"),
        ".sockets": ("SocketCommunicator",),
    },
)
