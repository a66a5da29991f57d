"""muted(): a context in which saves and deletes send no events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .declaration import EventDeclaration

_muted: ContextVar[tuple[type, ...]] = ContextVar("instant_events_muted", default=())


@contextmanager
def muted(*classes: type[EventDeclaration]) -> Iterator[None]:
    """Send no events for saves and deletes inside the block. With arguments, only these classes and their subclasses
    are muted.

    It applies to the current thread or task. `emit()` and `emit_many()` still send events.
    """
    token = _muted.set((*_muted.get(), *(classes or (object,))))
    try:
        yield
    finally:
        _muted.reset(token)


def is_muted(event: EventDeclaration) -> bool:
    """Report whether `event` is muted in this thread or task."""
    classes = _muted.get()
    return bool(classes) and isinstance(event, classes)
