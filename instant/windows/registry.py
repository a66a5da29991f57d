"""The functions that are connected to signals."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from ..access.guards import Guard, Permission, call_guard, server_side
from ..exceptions import InvalidSignal
from ..user_callables import place_of
from .arguments import Parameters

_F = TypeVar("_F", bound=Callable[..., Any])
#: The longest path of a signal, in bytes. Centrifugo accepts longer method names.
_LONGEST = 255


@dataclass(frozen=True)
class Connection:
    """A function that is connected to a signal."""

    path: str
    function: Callable[..., Any]
    is_allowed_to: Permission
    queue: str | None
    where: str

    def __str__(self) -> str:
        return f"{self.path!r} of {self.where}"

    @cached_property
    def guard(self) -> Guard:
        """Return the guard of `is_allowed_to`.

        Raises:
            InvalidSignal: it is not a permission.
        """
        return _guard_of(self.path, self.is_allowed_to)

    @property
    def is_server_side(self) -> bool:
        """Report whether browsers may never call it. They get the same response as for a signal that does not exist."""
        return self.guard is server_side

    @cached_property
    def parameters(self) -> Parameters:
        """Return the function's parameters, read at first use, because its annotations may name later definitions.

        Raises:
            InvalidSignal: an annotation cannot be read.
        """
        return Parameters(self.function, str(self))


_connections: dict[str, list[Connection]] = {}


def signal(path: str, is_allowed_to: Permission = server_side, queue: str | None = None) -> Callable[[_F], _F]:
    """Call the decorated function when the signal `path` is triggered on the server: `f(window_info, **kwargs)`.

    Several functions may have one path. Browsers may call it only if `is_allowed_to` allows; without it, only the
    server can. With a `queue` Celery calls it, otherwise the process that triggers it. Put signals into an app's
    `windows.py` or `signals.py`, which is imported at start.

    Raises:
        InvalidSignal: the path, the queue, the guard or the function is wrong.
    """
    if not isinstance(path, str) or not path or not (path.isascii() and path.isprintable()) or len(path) > _LONGEST:
        raise InvalidSignal(f"a signal's path is printable ASCII, as 'app.name', not {path!r}")
    if ":" in path:
        raise InvalidSignal(f"the signal {path!r}: the server takes what stands before a ':' for a namespace")
    if queue is not None and (not isinstance(queue, str) or not queue):
        raise InvalidSignal(f"the signal {path!r}: a queue is a name, or None, not {queue!r}")
    _guard_of(path, is_allowed_to)

    def decorator(function: _F) -> _F:
        _add(Connection(path, function, is_allowed_to, queue, place_of(function)))
        return function

    return decorator


def _guard_of(path: str, permission: Permission) -> Guard:
    try:
        return call_guard(permission)
    except TypeError as error:
        raise InvalidSignal(f"the signal {path!r}: is_allowed_to is {error}") from error


def _add(connection: Connection) -> None:
    """Add a connection. If a module is imported again under another name, its functions are connected once."""
    if not _takes_window(connection.function):
        raise InvalidSignal(f"{connection}: its function takes the window_info first, and the rest by name")
    present = _connections.setdefault(connection.path, [])
    for index, other in enumerate(present):
        if _is_again(other.function, connection.function):
            present[index] = connection
            return
    present.append(connection)


def _takes_window(function: Callable[..., Any]) -> bool:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code is None or code.co_argcount > 0 or bool(code.co_flags & inspect.CO_VARARGS)


def _is_again(first: Any, second: Any) -> bool:
    if first is second:
        return True
    first, second = inspect.unwrap(first), inspect.unwrap(second)
    codes = getattr(first, "__code__", None), getattr(second, "__code__", None)
    return codes[0] is not None and codes[0] == codes[1] and first.__globals__ is not second.__globals__


def find(path: str) -> list[Connection]:
    """Return the functions of a signal, in the order of their connection."""
    return list(_connections.get(path, ()))


def registered() -> list[Connection]:
    """Return all connections."""
    return [connection for connections in _connections.values() for connection in connections]


def remove(path: str) -> None:
    """Disconnect the functions of a signal. This is for tests."""
    _connections.pop(path, None)
