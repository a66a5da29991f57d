"""Guards: who may call a signal's function from a browser. The server's own calls are trusted.

A guard is any function of the connection, the window's info and the arguments as they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .info import WindowInfo
    from .registry import Connection

Guard = Callable[["Connection", "WindowInfo", "dict[str, Any]"], Any]


def everyone(signal: Connection, window_info: WindowInfo, kwargs: dict[str, Any]) -> bool:
    """Allow whoever has a connection."""
    return True


def is_authenticated(signal: Connection, window_info: WindowInfo, kwargs: dict[str, Any]) -> bool:
    """Allow who is logged in."""
    return window_info.is_authenticated


def is_staff(signal: Connection, window_info: WindowInfo, kwargs: dict[str, Any]) -> bool:
    """Allow staff."""
    return window_info.is_staff


def is_superuser(signal: Connection, window_info: WindowInfo, kwargs: dict[str, Any]) -> bool:
    """Allow superusers."""
    return window_info.is_superuser


def has_perm(permission: str) -> Guard:
    """Allow who has this permission, as "app.codename"."""
    if not isinstance(permission, str) or "." not in permission:
        raise ValueError(f"a permission is like 'app.codename', not {permission!r}")

    def has_permission(signal: Connection, window_info: WindowInfo, kwargs: dict[str, Any]) -> bool:
        return window_info.has_perm(permission)

    return has_permission
