"""Signals between the server and browser windows: `signal` connects functions, `trigger` calls them.

Its public names are imported when they are first used; from then on the websockets server is told of windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..exceptions import Deny, Disconnect
    from .attributes import signal_attribute
    from .forms import SerializedForm
    from .guards import everyone, has_perm, is_authenticated, is_staff, is_superuser
    from .info import InfoMiddleware, WindowInfo
    from .notices import deliver_messages
    from .registry import Connection, signal
    from .targets import BROADCAST, SERVER, USER, WINDOW
    from .topics import serialize_topic, set_websocket_topics
    from .triggering import atrigger, trigger

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
    "is_authenticated",
    "is_staff",
    "is_superuser",
    "serialize_topic",
    "set_websocket_topics",
    "signal",
    "signal_attribute",
    "trigger",
]

_MODULES = {
    "..exceptions": ("Deny", "Disconnect"),
    ".attributes": ("signal_attribute",),
    ".forms": ("SerializedForm",),
    ".guards": ("everyone", "has_perm", "is_authenticated", "is_staff", "is_superuser"),
    ".info": ("InfoMiddleware", "WindowInfo"),
    ".notices": ("deliver_messages",),
    ".registry": ("Connection", "signal"),
    ".targets": ("BROADCAST", "SERVER", "USER", "WINDOW"),
    ".topics": ("serialize_topic", "set_websocket_topics"),
    ".triggering": ("atrigger", "trigger"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from .. import features

    # We import the modules below: who comes here is a project.
    features.use(features.WINDOWS)
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
