"""BaseEventModel: the base class of model events."""

from __future__ import annotations

from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.db import models, router

from ..chunks import chunks
from ..exceptions import InvalidEvent
from ..sending import BATCH
from . import registry
from .beforehand import deletion_of, prepare_deletion
from .declaration import EventDeclaration
from .operations import OP_DELETE, OPERATIONS, Operation
from .pending_changes import Change, snapshot
from .scheduling import submit


class BaseEventModel(EventDeclaration):
    """Sends an event for each object of `model` that is created, saved or deleted.

    Subclasses set attributes, see docs/events.md. A class with its own `abstract = True` is only a base for other
    classes.
    """

    abstract: ClassVar[bool] = True

    def register(self) -> BaseEventModel:
        """Send events from now on, and return the registered instance. A class is registered only once.

        Raises:
            InvalidEvent: an attribute is wrong, or another class has the same name. The text names the classes.
        """
        return registry.add(self)

    @classmethod
    def unregister(cls) -> None:
        """Stop sending the events of this class. This is for tests."""
        registry.remove(cls)

    @classmethod
    def emit(cls, instance: models.Model, operation: Operation, *, using: str | None = None) -> None:
        """Send the event of `instance` as if `operation` had just happened to it, whatever `operations` says.

        It is sent when the open transaction of the database `using` (by default the instance's own) commits, and at
        once without a transaction.

        Raises:
            InvalidEvent: `operation` is not an operation, or an attribute of the class is wrong.
            Exception: the event was not sent, and INSTANT_EVENTS_FAIL_SILENTLY is off. In a transaction the commit
                raises it, except with the outbox.
        """
        event, own = cls._own(operation), instance._state.db or router.db_for_write(type(instance))
        if operation == OP_DELETE:
            change = deletion_of(event, instance, own, forced=True)
        else:
            change = snapshot(event, instance, own, operation)
            change.forced = True
        submit([change], using or own)

    @classmethod
    def emit_many(cls, queryset: models.QuerySet[Any], operation: Operation, *, using: str | None = None) -> int:
        """Send the events of all objects of `queryset`, 1,000 in a request, and return the number of objects.

        Use it after `bulk_create()` and `QuerySet.update()`, which send no signals. The objects are read from the
        database for writing. The events are sent when the open transaction of the database `using` commits, by default
        the objects' own database; until then they are kept in memory. Without a transaction they are sent at once.

        Raises:
            InvalidEvent: `operation` is not an operation, or an attribute of the class is wrong.
            Exception: as for `emit`.
        """
        event, count = cls._own(operation), 0
        own = queryset._db or router.db_for_write(queryset.model)  # type: ignore[attr-defined]
        for instances in chunks(queryset.using(own).iterator(chunk_size=BATCH), BATCH):
            submit([_of_row(event, instance, own, operation) for instance in instances], using or own)
            count += len(instances)
        return count

    @classmethod
    async def aemit(cls, instance: models.Model, operation: Operation, *, using: str | None = None) -> None:
        """Do the same as `emit`, from a coroutine. It runs in the thread in which Django's transactions are open."""
        await sync_to_async(cls.emit)(instance, operation, using=using)

    @classmethod
    async def aemit_many(cls, queryset: models.QuerySet[Any], operation: Operation, *, using: str | None = None) -> int:
        """Do the same as `emit_many`, from a coroutine. It runs in the thread in which Django's transactions are open.

        It returns the number of objects.
        """
        return await sync_to_async(cls.emit_many)(queryset, operation, using=using)

    @classmethod
    def _own(cls, operation: Operation) -> EventDeclaration:
        if operation not in OPERATIONS:
            raise InvalidEvent(
                f"{cls.__qualname__}: {operation!r} is not an operation: use OP_CREATE, OP_UPDATE or OP_DELETE"
            )
        return registry.find(cls) or cls()


def _of_row(event: EventDeclaration, instance: models.Model, using: str, operation: Operation) -> Change:
    """Return the change of an object that was just read. No other code refers to the object, so it is not copied."""
    change = Change(event, using, operation, instance.__dict__)
    change.instance, change.forced = instance, True
    if operation == OP_DELETE:
        prepare_deletion(change)
    return change
