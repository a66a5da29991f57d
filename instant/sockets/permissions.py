"""Who may open a socket: asked before anything of a handler runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..exceptions import InvalidHandler
from .codes import forbidden
from .handler import AUTHENTICATED, EVERYONE, WebSocketHandler

#: Called with the handler; what is true lets open.
Rule = Callable[[WebSocketHandler], Any]


def rule_of(handler_class: type[WebSocketHandler]) -> Rule:
    """Return the `permission` of a class as a function of its object.

    Raises:
        InvalidHandler: it is none.
    """
    found = inspect.getattr_static(handler_class, "permission")
    if found == EVERYONE:
        return lambda handler: True
    if found == AUTHENTICATED:
        return lambda handler: bool(handler.user.is_authenticated)
    if isinstance(found, str) and "." in found:
        return lambda handler: bool(handler.user.has_perm(found))
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


def ask(handler: WebSocketHandler) -> Any:
    """Return what the permission says, which may have to be awaited.

    Raises:
        Deny: the user is gone, or not active any more; for these nobody is asked.
    """
    rule = rule_of(type(handler))
    is_open = inspect.getattr_static(type(handler), "permission") == EVERYONE
    # An async method could not read the user itself.
    if not is_open or has_async(type(handler)):
        is_refused = bool(handler._sub) and not handler.user.is_authenticated
        if is_refused and not is_open:
            raise forbidden()
    return rule(handler)


def has_async(handler_class: type[WebSocketHandler]) -> bool:
    """Tell whether any of its methods runs on the event loop."""
    return any(inspect.iscoroutinefunction(getattr(handler_class, name)) for name in handler_class._NAMES)
