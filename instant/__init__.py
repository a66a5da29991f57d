"""Realtime for a Django site without touching its stack: channels, `publish()` and tokens over Centrifugo.

The public names are imported when they are first used: importing this package starts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .messages import Message
    from .people import Person, apresence, online, presence, publish_to_users
    from .personal import user_channel
    from .producers import apublish, apublish_many, flush, publish, publish_many
    from .rules import rule
    from .senders import sender
    from .views.pages import amark, live, mark

__version__ = "5.0.0"
__all__ = [
    "Message",
    "Person",
    "amark",
    "apresence",
    "apublish",
    "apublish_many",
    "flush",
    "live",
    "mark",
    "online",
    "presence",
    "publish",
    "publish_many",
    "publish_to_users",
    "rule",
    "sender",
    "user_channel",
]

#: The modules of names that are not of `producers`.
_MODULES = {
    "messages": ("Message",),
    "people": ("Person", "apresence", "online", "presence", "publish_to_users"),
    "personal": ("user_channel",),
    "rules": ("rule",),
    "senders": ("sender",),
    "views.pages": ("amark", "live", "mark"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES.get(name, 'producers')}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
