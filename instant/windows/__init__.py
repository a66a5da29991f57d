"""Signals between the server and browser windows: `signal` connects functions, `trigger` calls them.

The public names are imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from ..access.guards import (
        everyone,
        has_perm,
        is_anonymous,
        is_authenticated,
        is_staff,
        is_superuser,
        server_side,
    )
    from ..exceptions import Deny, Disconnect
    from .django_messages import deliver_messages
    from .forms import SerializedForm
    from .html_attributes import signal_attribute
    from .registry import Connection, signal
    from .targets import BROADCAST, SERVER, USER, WINDOW
    from .topics import serialize_topic, set_websocket_topics
    from .triggering import atrigger, trigger
    from .window_info import InfoMiddleware, WindowInfo

__all__ = [
    "BROADCAST",
    "SERVER",
    "USER",
    "WINDOW",
    "Connection",
    "Deny",
    "Disconnect",
    "InfoMiddleware",
    "SerializedForm",
    "WindowInfo",
    "atrigger",
    "deliver_messages",
    "everyone",
    "has_perm",
    "is_anonymous",
    "is_authenticated",
    "is_staff",
    "is_superuser",
    "serialize_topic",
    "server_side",
    "set_websocket_topics",
    "signal",
    "signal_attribute",
    "trigger",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "..access.guards": (
            "everyone",
            "has_perm",
            "is_anonymous",
            "is_authenticated",
            "is_staff",
            "is_superuser",
            "server_side",
        ),
        "..exceptions": ("Deny", "Disconnect"),
        ".django_messages": ("deliver_messages",),
        ".forms": ("SerializedForm",),
        ".html_attributes": ("signal_attribute",),
        ".window_info": ("InfoMiddleware", "WindowInfo"),
        ".registry": ("Connection", "signal"),
        ".targets": ("BROADCAST", "SERVER", "USER", "WINDOW"),
        ".topics": ("serialize_topic", "set_websocket_topics"),
        ".triggering": ("atrigger", "trigger"),
    },
)
