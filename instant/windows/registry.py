"""The registry of signals: which functions are connected to which path."""

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
#: The maximum length of a signal's path, in bytes. Centrifugo accepts longer method names.
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
            InvalidSignal: `is_allowed_to` is not a permission.
        """
        return _guard_of(self.path, self.is_allowed_to)

    @property
    def is_server_side(self) -> bool:
        """Report whether only the server may call it. Browsers then get the same response as for an unknown signal."""
        return self.guard is server_side

    @cached_property
    def parameters(self) -> Parameters:
        """Return the function's parameters. They are read at first use, because annotations may name later definitions.

        Raises:
            InvalidSignal: the function cannot be called by name, or an annotation cannot be evaluated or is not
                supported.
        """
        return Parameters(self.function, str(self))


_connections: dict[str, list[Connection]] = {}


def signal(path: str, is_allowed_to: Permission = server_side, queue: str | None = None) -> Callable[[_F], _F]:
    """Connect the decorated function to the signal `path`. It is called as `function(window_info, **kwargs)`.

    Several functions may have the same path. `is_allowed_to` decides which browsers may call the function; by default
    only the server may. With a `queue`, Celery calls the function; otherwise the process that handles the call does.
    Put signals into the `windows.py` or `signals.py` of an app, which Django imports when it starts.

    Raises:
        InvalidSignal: the path, the queue, `is_allowed_to` or the function is wrong.
    """
    if not isinstance(path, str) or not path or not (path.isascii() and path.isprintable()) or len(path) > _LONGEST:
        raise InvalidSignal(
            f"the path of a signal must be printable ASCII, such as 'app.name', of at most {_LONGEST} characters, "
            f"not {path!r}"
        )
    if ":" in path:
        raise InvalidSignal(
            f"the signal {path!r}: a path must not contain ':', because Centrifugo takes the text before it for a "
            "namespace"
        )
    if queue is not None and (not isinstance(queue, str) or not queue):
        raise InvalidSignal(f"the signal {path!r}: queue must be a name or None, not {queue!r}")
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
    """Add a connection. If a module is imported again under another name, its functions replace the earlier ones."""
    if not _takes_window(connection.function):
        raise InvalidSignal(
            f"the signal {connection}: its function must accept window_info as its first argument, and the others "
            "by name"
        )
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
    """Return the functions of a signal, in the order in which they were connected."""
    return list(_connections.get(path, ()))


def registered() -> list[Connection]:
    """Return all connected functions."""
    return [connection for connections in _connections.values() for connection in connections]


def remove(path: str) -> None:
    """Disconnect the functions of a signal. This is for tests."""
    _connections.pop(path, None)
