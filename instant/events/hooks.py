"""on(): registers functions that can change or drop each event of a class before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .operations import OPERATIONS, Operation

if TYPE_CHECKING:
    from .declaration import EventDeclaration

Hook = Callable[[dict[str, Any], Any], dict[str, Any] | None]


class _Registered(NamedTuple):
    hook: Hook
    operations: tuple[Operation, ...]


_hooks: dict[type[EventDeclaration], list[_Registered]] = {}


def on(event_class: type[EventDeclaration], *operations: Operation) -> Callable[[Hook], Hook]:
    """Call the decorated function with each event of `event_class` and its subclasses, or only for these operations.

    It is called as `hook(event, instance)` before the event is sent, and for a deletion before the object is deleted.
    `event` is the data of the message, a dict. The function returns the event to send, or None to drop it. `instance`
    is the object as it was saved.

    Raises:
        TypeError: `event_class` is not an event class, or an operation is unknown.
    """
    if not (isinstance(event_class, type) and hasattr(event_class, "emit_many")):
        raise TypeError(f"on() takes an event class, as in @on(PostEvents, OP_UPDATE), not {event_class!r}")
    unknown = [operation for operation in operations if operation not in OPERATIONS]
    if unknown:
        raise TypeError(f"on() takes OP_CREATE, OP_UPDATE and OP_DELETE, not {unknown[0]!r}")

    def register(hook: Hook) -> Hook:
        _hooks.setdefault(event_class, []).append(_Registered(hook, operations or OPERATIONS))
        return hook

    return register


def remove(hook: Hook) -> None:
    """Stop calling this function. This is for tests."""
    for registered in _hooks.values():
        registered[:] = [each for each in registered if each.hook is not hook]


def exist_for(event_class: type[EventDeclaration]) -> bool:
    """Report whether there are hooks for the events of this class."""
    return bool(_hooks) and any(_hooks.get(owner) for owner in event_class.__mro__)


def passed(
    event: EventDeclaration, content: dict[str, Any], operation: Operation, instance: Callable[[], Any]
) -> dict[str, Any] | None:
    """Return the event after all hooks, or None if a hook drops it. `instance` is called only if a hook needs the
    object.

    Raises:
        TypeError: a hook returned neither a dict nor None.
    """
    if not _hooks:
        return content
    result: dict[str, Any] | None = content
    for owner in reversed(type(event).__mro__):
        for hook, operations in _hooks.get(owner, ()):
            if operation not in operations:
                continue
            result = hook(content, instance())
            if result is None:
                return None
            if not isinstance(result, dict):
                raise TypeError(f"the hook {hook!r} returned {result!r}; it must return the event, or None to drop it")
            content = result
    return result
