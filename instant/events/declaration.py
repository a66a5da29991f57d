"""What a class of model events declares. It knows neither who registers it nor how events are delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth import get_permission_codename
from django.db import models

from ..access.guards import guard_of
from ..protocol import EVENTS_PREFIX
from ..user_callables import awaited, can_take, is_true
from .operations import OPERATIONS, Operation
from .payload import Plan


class EventDeclaration:
    """The attributes of a class of events, and what follows from them. `BaseEventModel` is what projects subclass."""

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
    #: Who may join the default channel: a guard, a permission as "app.codename", a function of the user, or a method
    #: `permission(self, user)`. None: who may view it.
    permission: Any = None
    #: Whether the changes of one object in one transaction are told as one.
    coalesce: ClassVar[bool] = True
    abstract: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "abstract" not in cls.__dict__:
            cls.abstract = cls.model is None

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
        """Who may join the default channel, as a function of the user: True or False, and no more.

        Raises:
            InvalidEvent: `permission` is none.
        """
        permission = self.permission
        if permission is None:
            meta = self.plan.model._meta
            permission = f"{meta.app_label}.{get_permission_codename('view', meta)}"
        # In a class's body a function becomes a method, though it is one of the user alone.
        function = getattr(permission, "__func__", permission)
        is_method = function is not permission and not can_take(function, 1)
        try:
            guard = guard_of(permission if is_method else function)
        except TypeError as error:
            raise self.plan.wrong(f"permission is {error}") from error
        return lambda user: is_true(awaited(guard.allows(user)))
