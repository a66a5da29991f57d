"""Realtime for Django sites by a Centrifugo server: channels, `publish()` and tokens.

Public names are imported on first use, so importing this package starts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy_names import lazy_names
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .centrifugo.presence import Person, apresence, online, presence
    from .channels.rules import rule
    from .channels.user_ids import user_channel
    from .exclude import sender
    from .messages import Message
    from .pages.live_decorator import live
    from .pages.page_positions import amark, mark
    from .producers import apublish, apublish_many, flush, publish, publish_many, publish_to_users

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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".centrifugo.presence": ("Person", "apresence", "online", "presence"),
        ".channels.rules": ("rule",),
        ".channels.user_ids": ("user_channel",),
        ".exclude": ("sender",),
        ".messages": ("Message",),
        ".pages.live_decorator": ("live",),
        ".pages.page_positions": ("amark", "mark"),
        ".producers": ("apublish", "apublish_many", "flush", "publish", "publish_many", "publish_to_users"),
    },
)
