"""Permissions: who may call a signal, open a socket, or join the channel of a model event.

All three accept the same permissions: a guard of this module, a Django permission such as "app.codename", or a function
of the user. A signal also accepts a function of the call; a socket or an event also accepts a method. `guard_of`
converts each of them to a `Guard`, which is called only by `Guard.allows`. Calls from the server's own code are not
checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from ..user_callables import awaited, can_take, is_true, place_of


class Guard:
    """A permission of signals, sockets and events.

    Your own function may call it, with the user or with its own arguments: `is_staff(user)`, `is_staff(signal,
    window_info, kwargs)`.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], *, takes_call: bool = False, codename: str = ""
    ) -> None:
        self._name, self._function, self._takes_call = name, function, takes_call
        #: The Django permission that it checks, or "".
        self.codename = codename

    def __repr__(self) -> str:
        return self._name

    def allows(self, user: Any, *call: Any) -> Any:
        """Return the result for `user`. It may be awaitable; `is_true` interprets it.

        `call` contains the arguments for a function that needs more than the user: for a signal the connection, the
        window's info and the arguments; for a method of a socket the handler. Inactive users are denied before the
        function is called.
        """
        if user.is_authenticated and not getattr(user, "is_active", True):
            return False
        return self._function(*call) if self._takes_call else self._function(user)

    def __call__(self, user: Any, window_info: Any = None, kwargs: Any = None, /) -> bool:
        if window_info is None:
            return is_true(awaited(self.allows(user)))
        return not window_info.is_refused and is_true(awaited(self.allows(window_info.user)))


#: The types that a permission may have.
Permission = Guard | str | Callable[..., Any]

#: Every connected client, including visitors.
everyone: Final = Guard("everyone", lambda user: True)
#: Visitors: connections without a user.
is_anonymous: Final = Guard("is_anonymous", lambda user: not user.is_authenticated)
#: Users who are logged in.
is_authenticated: Final = Guard("is_authenticated", lambda user: bool(user.is_authenticated))
is_staff: Final = Guard("is_staff", lambda user: bool(getattr(user, "is_staff", False)))
is_superuser: Final = Guard("is_superuser", lambda user: bool(getattr(user, "is_superuser", False)))
#: No client. Only the server's own code can call the signal.
server_side: Final = Guard("server_side", lambda user: False)

#: Older names of the same guards, as sockets and events used them.
AUTHENTICATED: Final = is_authenticated
EVERYONE: Final = everyone


def has_perm(permission: str) -> Guard:
    """Return the guard that allows users with this Django permission, such as "app.codename".

    Raises:
        ValueError: `permission` is not of the form "app.codename".
    """
    if not isinstance(permission, str) or not all(permission.partition(".")):
        raise ValueError(f"a permission must be like 'app.codename', not {permission!r}")
    return Guard(f"has_perm({permission!r})", lambda user: bool(user.has_perm(permission)), codename=permission)


def guard_of(permission: object, *, takes_call: bool = False, functions: str = "a function of the user") -> Guard:
    """Return the guard of a permission.

    With `takes_call`, a function is called with more than the user; see `Guard.allows`. `functions` is the part of the
    error text that says which functions are allowed.

    Raises:
        TypeError: the value is not a permission. The text says what it is and what to use instead.
    """
    if isinstance(permission, Guard):
        return permission
    if isinstance(permission, str) and all(permission.partition(".")):
        return has_perm(permission)
    if permission is has_perm:
        raise TypeError("has_perm itself; call it with a permission: has_perm('app.codename')")
    # An instance of a class is always true, so a class would allow everyone.
    if isinstance(permission, type) or not callable(permission) or not (takes_call or can_take(permission, 1)):
        raise TypeError(
            f"{permission!r}; it must be a guard such as is_staff, a permission like 'app.codename', or {functions}"
        )
    return Guard(place_of(permission), permission, takes_call=takes_call)


def call_guard(permission: object) -> Guard:
    """Return the guard of a signal.

    A function that accepts three arguments is called with the connection, the window's info and the arguments.

    Raises:
        TypeError: the value is not a permission.
    """
    return guard_of(
        permission,
        takes_call=callable(permission) and can_take(permission, 3),
        functions="a function of the user, or of these three: signal, window_info, kwargs",
    )


def handler_guard(handler_class: type[Any]) -> Guard:
    """Return the guard of a socket's handler class. A method is called with the handler.

    Raises:
        TypeError: the class's `permission` is not a permission.
    """
    found = inspect.getattr_static(handler_class, "permission")
    # A function in a class body is a method, even if it takes only a user. The name of its argument decides.
    is_method = inspect.isfunction(found) and next(iter(inspect.signature(found).parameters), "") == "self"
    return guard_of(
        getattr(handler_class, "permission"),  # noqa: B009 - bound, where it is a static or class method
        takes_call=is_method,
        functions="a function of the user, or a method permission(self)",
    )
