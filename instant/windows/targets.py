"""The targets of a signal that are not topics."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

from django.db.models import QuerySet


class Target(Enum):
    """A target that is not a topic of the project."""

    SERVER = "server"
    WINDOW = "window"
    USER = "user"
    BROADCAST = "broadcast"

    def __repr__(self) -> str:
        return self.name


#: The functions in Python.
SERVER: Final = Target.SERVER
#: The window that made the call, or for which the page is rendered.
WINDOW: Final = Target.WINDOW
#: All windows of that window's user.
USER: Final = Target.USER
#: All open windows.
BROADCAST: Final = Target.BROADCAST


def targets_of(to: Any) -> list[Any]:
    """Return the targets in `to`: one target, or several in a list, tuple, set, queryset or iterator."""
    return list(to) if isinstance(to, list | tuple | set | frozenset | QuerySet | Iterator) else [to]
