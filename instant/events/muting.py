"""muted(): a block in which saves and deletes tell nobody."""

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
    """Send no events of what is saved and deleted inside the block, or none of these classes and their subclasses.

    It holds in this thread, or this task, alone. What is asked for by `emit()` is sent all the same.
    """
    token = _muted.set((*_muted.get(), *(classes or (object,))))
    try:
        yield
    finally:
        _muted.reset(token)


def is_muted(event: EventDeclaration) -> bool:
    """Tell whether `event` must be silent here."""
    classes = _muted.get()
    return bool(classes) and isinstance(event, classes)
