"""BaseEventModel: what a model tells its readers, as a class."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models, router

from ..chunks import chunks
from ..exceptions import InvalidEvent
from . import registry
from .declaration import EventDeclaration
from .delivery import BATCH
from .operations import OPERATIONS, Operation
from .pending_changes import Change, snapshot
from .scheduling import submit


class BaseEventModel(EventDeclaration):
    """Sends an event for each object of `model` that is created, saved or deleted.

    Subclasses set attributes; see docs/events.md. A class of its own `abstract = True` is a base for others.
    """

    abstract: ClassVar[bool] = True

    def register(self) -> BaseEventModel:
        """Send events from now on. Returns the one that is registered: a class is registered once.

        Raises:
            InvalidEvent: an attribute is wrong, or another class has this name; the text names the classes.
        """
        return registry.add(self)

    @classmethod
    def unregister(cls) -> None:
        """Send no events any more: for tests."""
        registry.remove(cls)

    @classmethod
    def emit(cls, instance: models.Model, operation: Operation) -> None:
        """Send the event of `instance` as if `operation` had just been done to it, whatever `operations` says."""
        event, using = cls._own(operation), instance._state.db or router.db_for_write(type(instance))
        change = snapshot(event, instance, using, operation)
        change.forced = True
        submit([change], using)

    @classmethod
    def emit_many(cls, queryset: models.QuerySet[Any], operation: Operation) -> int:
        """Send the events of all objects of `queryset`, a thousand in one request; return how many objects there were.

        For what sends no signals: `bulk_create()`, `QuerySet.update()`. The objects are read from the database that is
        written to, and not kept in memory unless a transaction is open, which has to commit first.
        """
        event, count = cls._own(operation), 0
        using = queryset._db or router.db_for_write(queryset.model)  # type: ignore[attr-defined]
        for instances in chunks(queryset.using(using).iterator(chunk_size=BATCH), BATCH):
            submit([_of_row(event, instance, using, operation) for instance in instances], using)
            count += len(instances)
        return count

    @classmethod
    def _own(cls, operation: Operation) -> EventDeclaration:
        if operation not in OPERATIONS:
            raise InvalidEvent(f"{cls.__qualname__}: {operation!r} is none of OP_CREATE, OP_UPDATE, OP_DELETE")
        return registry.find(cls) or cls()


def _of_row(event: EventDeclaration, instance: models.Model, using: str, operation: Operation) -> Change:
    """Nobody else has the object, so it needs no copy."""
    change = Change(event, using, operation, instance.__dict__)
    change.instance, change.forced = instance, True
    return change
