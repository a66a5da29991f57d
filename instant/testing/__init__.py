"""For the tests of sites that use django-instant: no server needed to see what is published, and one to try it live.

`capture_published()` (pytest: the fixture `published`), `live_server()`, and `can()`, which asks who may join.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .joining import acan, can
    from .live import LiveServer, live_server
    from .published import Published, capture_published
    from .sockets import SocketCommunicator

__all__ = ["LiveServer", "Published", "SocketCommunicator", "acan", "can", "capture_published", "live_server"]

_HOMES = {
    "LiveServer": "live",
    "Published": "published",
    "SocketCommunicator": "sockets",
    "acan": "joining",
    "can": "joining",
    "capture_published": "published",
    "live_server": "live",
}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every project that has django-instant, with Django or without.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
