"""BaseEventModel: what a model tells its readers, as a class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, ClassVar, Final

from django.contrib.auth import get_permission_codename
from django.db import models, router

from ..exceptions import InvalidEvent
from ..protocol import EVENTS_PREFIX
from . import registry
from .changes import Change, snapshot
from .delivery import BATCH, batches
from .operations import OPERATIONS, Operation
from .pending import submit
from .plan import Plan

#: As `permission`: everyone who is logged in.
AUTHENTICATED: Final = "authenticated"


class BaseEventModel:
    """Sends an event for each object of `model` that is created, saved or deleted.

    Subclasses set attributes; see docs/events.md. A class of its own `abstract = True` is a base for others.
    """

    #: The one that must be there: a model, or its name as "app.Model".
    model: ClassVar[type[models.Model] | str | None] = None
    #: Names of the fields to send. None: all that `exclude` does not name; a model's to_dict() comes before both.
    fields: ClassVar[Iterable[str] | None] = None
    exclude: ClassVar[Iterable[str] | None] = None
    #: Names of many-to-many fields: sent as lists of keys, and a change of theirs is an update.
    m2m: ClassVar[Iterable[str]] = ()
    #: What is told. If false-ish, nothing is by itself.
    operations: ClassVar[Iterable[Operation] | None] = OPERATIONS
    #: The event's name. None: "app.Model".
    name: ClassVar[str | None] = None
    #: For people. None: the model's.
    verbose_name: ClassVar[Any] = None
    #: Where to: a name, names, or a method `channel(self, instance)` that returns one of these, or None to send
    #: nothing. None: "$events.app.Model".
    channel: Any = None
    #: Who may join the default channel: a permission, AUTHENTICATED, or a function of the user. None: who may view it.
    permission: Any = None
    #: Whether the changes of one object in one transaction are told as one.
    coalesce: ClassVar[bool] = True
    abstract: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "abstract" not in cls.__dict__:
            cls.abstract = cls.model is None

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
        for instances in batches(queryset.using(using).iterator(chunk_size=BATCH), BATCH):
            submit([_of_row(event, instance, using, operation) for instance in instances], using)
            count += len(instances)
        return count

    @classmethod
    def _own(cls, operation: Operation) -> BaseEventModel:
        if operation not in OPERATIONS:
            raise InvalidEvent(f"{cls.__qualname__}: {operation!r} is none of OP_CREATE, OP_UPDATE, OP_DELETE")
        return registry.find(cls) or cls()

    @cached_property
    def plan(self) -> Plan:
        """What is sent, worked out of the attributes when it is first asked for."""
        return Plan(type(self))

    @cached_property
    def event_name(self) -> str:
        return self.name or self.plan.model._meta.label

    @property
    def event_verbose_name(self) -> str:
        """The name for people, in the language of the moment."""
        return str(self.verbose_name or self.plan.model._meta.verbose_name)

    @cached_property
    def default_channel(self) -> str:
        return EVENTS_PREFIX + self.event_name

    def channels_of(self, instance: Any) -> list[str]:
        """The names of the channels that hear of `instance`, each once."""
        channel = self.channel
        if channel is None:
            return [self.default_channel]
        names = channel(instance) if callable(channel) else channel
        if names is None:
            return []
        return [names] if isinstance(names, str) else list(dict.fromkeys(names))

    @cached_property
    def rule(self) -> Callable[..., Any]:
        """Who may join the default channel, as a function of the user."""
        permission = self.permission
        if permission is None:
            meta = self.plan.model._meta
            permission = f"{meta.app_label}.{get_permission_codename('view', meta)}"
        if permission == AUTHENTICATED:
            return lambda user: bool(user.is_authenticated)
        if callable(permission):
            # In a class's body a function becomes a method, though it is one of the user alone.
            function = getattr(permission, "__func__", permission)
            takes_self = permission is not function and function.__code__.co_argcount > 1
            return permission if takes_self else function  # type: ignore[no-any-return]
        if not isinstance(permission, str) or "." not in permission:
            raise self.plan.wrong(
                f"permission is {permission!r}; it must be like 'app.codename', or a function of the user"
            )
        return lambda user: bool(user.has_perm(permission))


def _of_row(event: BaseEventModel, instance: models.Model, using: str, operation: Operation) -> Change:
    """Nobody else has the object, so it needs no copy."""
    change = Change(event, using, operation, instance.__dict__)
    change.instance, change.forced = instance, True
    return change
