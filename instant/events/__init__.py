"""Model events: a class declares what subscribers receive about a model, and each save and delete sends it.

`base` has the class to subclass, `declaration` its attributes, and `registry` the registered classes. `receivers` turns
Django's signals into `pending_changes`, and `beforehand` reads what a change will overwrite. `scheduling` keeps the
changes until the commit. `writing` and `delivery` turn them into messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from ..access.guards import (
        AUTHENTICATED,
        EVERYONE,
        everyone,
        has_perm,
        is_anonymous,
        is_authenticated,
        is_staff,
        is_superuser,
        server_side,
    )
    from .base import BaseEventModel
    from .custom_event import Event
    from .discovery import autodiscover
    from .hooks import on
    from .muting import muted
    from .operations import OP_CREATE, OP_DELETE, OP_UPDATE
    from .registry import registered

__all__ = [
    "AUTHENTICATED",
    "EVERYONE",
    "OP_CREATE",
    "OP_DELETE",
    "OP_UPDATE",
    "BaseEventModel",
    "Event",
    "autodiscover",
    "everyone",
    "has_perm",
    "is_anonymous",
    "is_authenticated",
    "is_staff",
    "is_superuser",
    "muted",
    "on",
    "registered",
    "server_side",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "..access.guards": (
            "AUTHENTICATED",
            "EVERYONE",
            "everyone",
            "has_perm",
            "is_anonymous",
            "is_authenticated",
            "is_staff",
            "is_superuser",
            "server_side",
        ),
        ".base": ("BaseEventModel",),
        ".discovery": ("autodiscover",),
        ".custom_event": ("Event",),
        ".hooks": ("on",),
        ".muting": ("muted",),
        ".operations": ("OP_CREATE", "OP_DELETE", "OP_UPDATE"),
        ".registry": ("registered",),
    },
)
