"""Realtime for a Django site without touching its stack: channels, `publish()` and tokens over Centrifugo.

The public names are imported when they are first used: importing this package starts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .messages import Message
    from .producers import apublish, apublish_many, flush, publish, publish_many

__version__ = "5.0.0"
__all__ = ["Message", "apublish", "apublish_many", "flush", "publish", "publish_many"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = "messages" if name == "Message" else "producers"
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
