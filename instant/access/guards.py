"""Permissions: who may call a signal, open a socket, or join the channel of a model event.

Signals have guards: functions of the signal's connection, the window's info and the arguments as they came. Sockets and
events have a `permission`: text, a function of the user, or a method. What the server calls itself is not asked about.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, Protocol

from ..exceptions import InvalidHandler

#: As `permission`: everyone who is logged in, and everyone who has a connection.
AUTHENTICATED: Final = "authenticated"
EVERYONE: Final = "everyone"


class WindowUser(Protocol):
    """What guards ask of a window's info."""

    @property
    def is_authenticated(self) -> bool: ...
    @property
    def is_staff(self) -> bool: ...
    @property
    def is_superuser(self) -> bool: ...
    def has_perm(self, permission: str) -> bool: ...


Guard = Callable[[Any, Any, "dict[str, Any]"], Any]


def everyone(signal: Any, window_info: WindowUser, kwargs: dict[str, Any]) -> bool:
    """Allow whoever has a connection."""
    return True


def is_authenticated(signal: Any, window_info: WindowUser, kwargs: dict[str, Any]) -> bool:
    """Allow who is logged in."""
    return window_info.is_authenticated


def is_staff(signal: Any, window_info: WindowUser, kwargs: dict[str, Any]) -> bool:
    """Allow staff."""
    return window_info.is_staff


def is_superuser(signal: Any, window_info: WindowUser, kwargs: dict[str, Any]) -> bool:
    """Allow superusers."""
    return window_info.is_superuser


def has_perm(permission: str) -> Guard:
    """Allow who has this permission, as "app.codename"."""
    if not isinstance(permission, str) or "." not in permission:
        raise ValueError(f"a permission is like 'app.codename', not {permission!r}")

    def has_permission(signal: Any, window_info: WindowUser, kwargs: dict[str, Any]) -> bool:
        return window_info.has_perm(permission)

    return has_permission


def user_test(permission: object) -> Callable[[Any], bool] | None:
    """Return AUTHENTICATED, or a permission "app.codename", as a function of the user; None for anything else."""
    if permission == AUTHENTICATED:
        return lambda user: bool(user.is_authenticated)
    if isinstance(permission, str) and "." in permission:
        return lambda user: bool(user.has_perm(permission))
    return None


def handler_rule(handler_class: type[Any]) -> Callable[[Any], Any]:
    """Return the `permission` of a socket's handler class as a function of its object.

    Raises:
        InvalidHandler: it is none.
    """
    found = inspect.getattr_static(handler_class, "permission")
    if found == EVERYONE:  # without reading the user, which a method on the event loop could not do
        return lambda handler: True
    if (test := user_test(found)) is not None:
        return lambda handler: test(handler.user)
    if isinstance(found, str) or not (callable(found) or hasattr(found, "__get__")):
        raise InvalidHandler(
            f"{handler_class.__qualname__}.permission is {found!r}; it must be AUTHENTICATED, EVERYONE, a permission "
            "like 'app.codename', a function of the user, or a method"
        )
    if inspect.isfunction(found):
        # A function in a class's body is a method, even one that knows of users only: its argument's name tells.
        if next(iter(inspect.signature(found).parameters), "") == "self":
            return lambda handler: handler.permission()
        function: Callable[[Any], Any] = found
    else:
        function = getattr(handler_class, "permission")  # noqa: B009 - bound, where it is a static or class method
    return lambda handler: function(handler.user)
