"""Model events: a class says what of a model its readers hear, and each save and delete tells them.

`base` has the class, `registry` those that are registered, `receivers` turns Django's signals into `changes`, which
wait in `pending` for the commit, and `delivery` makes messages of them.
"""

from __future__ import annotations

from .base import AUTHENTICATED, BaseEventModel
from .custom import Event
from .discovery import autodiscover
from .hooks import on
from .muting import muted
from .operations import OP_CREATE, OP_DELETE, OP_UPDATE
from .registry import registered

__all__ = [
    "AUTHENTICATED",
    "OP_CREATE",
    "OP_DELETE",
    "OP_UPDATE",
    "BaseEventModel",
    "Event",
    "autodiscover",
    "muted",
    "on",
    "registered",
]
