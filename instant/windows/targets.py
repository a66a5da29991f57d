"""Whom a signal is for, besides topics."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

from django.db.models import QuerySet


class Target(Enum):
    """A target that is no topic of the project's."""

    SERVER = "server"
    WINDOW = "window"
    USER = "user"
    BROADCAST = "broadcast"

    def __repr__(self) -> str:
        return self.name


#: The functions that are connected in Python.
SERVER: Final = Target.SERVER
#: The window that a call came from, or the one that a page is rendered for.
WINDOW: Final = Target.WINDOW
#: All windows of its user.
USER: Final = Target.USER
#: All windows there are.
BROADCAST: Final = Target.BROADCAST


def targets_of(to: Any) -> list[Any]:
    """Return the targets that `to` names: one, or several in a list, tuple, set, queryset or generator."""
    return list(to) if isinstance(to, list | tuple | set | frozenset | QuerySet | Iterator) else [to]
