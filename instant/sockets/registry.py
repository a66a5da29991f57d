"""The handlers by name: those of INSTANT_SOCKET_HANDLERS, and classes with the decorator `@socket("name")`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from django.utils.module_loading import autodiscover_modules, import_string

from ..access.guards import handler_guard
from ..conf.settings import conf
from ..exceptions import InvalidHandler, InvalidSetting
from ..user_callables import dotted_name
from . import close_codes
from .handler import WebSocketHandler

H = TypeVar("H", bound=type[WebSocketHandler])

#: The name of a socket that is opened with an empty name.
DEFAULT = "default"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")

_registered: dict[str, type[WebSocketHandler]] = {}


def socket(name: str = DEFAULT) -> Callable[[H], H]:
    """Register the decorated class as the handler of sockets with this name.

    Write `@socket("chat")` above a class in an app's `sockets.py`.

    Raises:
        InvalidHandler: the name is taken or not valid, or the class is not a WebSocketHandler with a valid
            `permission`. A name has 1 to 100 letters, digits, `_`, `-` and `.`.
    """
    if not isinstance(name, str):
        raise InvalidHandler('@socket takes the name of the socket: write @socket("chat"), with parentheses.')

    def decorator(handler_class: H) -> H:
        _checked(name, handler_class, where="@socket")
        known = _registered.setdefault(name, handler_class)
        if dotted_name(known) != dotted_name(handler_class):
            raise InvalidHandler(
                f"two classes handle the socket {name!r}: {dotted_name(known)} and {dotted_name(handler_class)}"
            )
        _registered[name] = handler_class
        return handler_class

    return decorator


def autodiscover() -> None:
    """Import `sockets.py` of every installed app. AppConfig.ready() calls it."""
    autodiscover_modules("sockets")


def decorated() -> dict[str, type[WebSocketHandler]]:
    """Return the handlers that are registered with `@socket`, by name."""
    return dict(_registered)


def registered() -> dict[str, type[WebSocketHandler]]:
    """Return all handlers by name. Handlers of the settings take precedence.

    Raises:
        InvalidSetting: INSTANT_SOCKET_HANDLERS names a class that cannot be imported or is not a handler.
    """
    of_settings = {name: _imported(name, path) for name, path in conf.socket_handlers.items()}
    return {**_registered, **of_settings}


def find(name: str) -> type[WebSocketHandler]:
    """Return the handler of this name. "" stands for the name "default".

    Raises:
        Deny: there is no such handler.
        InvalidSetting: see `registered`.
    """
    name = name or DEFAULT
    path = conf.socket_handlers.get(name)
    if path is not None:
        return _imported(name, path)
    if name not in _registered:
        raise close_codes.unknown(name)
    return _registered[name]


@lru_cache(maxsize=256)
def _imported(name: str, path: str) -> type[WebSocketHandler]:
    try:
        found = import_string(path)
    except ImportError as error:
        raise InvalidSetting(f"INSTANT_SOCKET_HANDLERS[{name!r}]: {path!r} cannot be imported: {error}") from error
    try:
        _checked(name, found, where=f"INSTANT_SOCKET_HANDLERS[{name!r}]")
    except InvalidHandler as error:
        raise InvalidSetting(str(error)) from error
    handler_class: type[WebSocketHandler] = found
    return handler_class


def _checked(name: str, found: object, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidHandler(f"{where}: {name!r} is not a valid socket name: use letters, digits, _, - and . only")
    if not isinstance(found, type) or not issubclass(found, WebSocketHandler):
        raise InvalidHandler(f"{where}: {found!r} is not a subclass of WebSocketHandler")
    try:
        handler_guard(found)
    except TypeError as error:
        raise InvalidHandler(f"{found.__qualname__}.permission is {error}") from error
