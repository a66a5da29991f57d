"""The attributes of a class of model events. This module depends neither on registration nor on delivery."""

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
    """The attributes of an event class, and what is derived from them. Projects subclass `BaseEventModel`."""

    #: Required: a model, or its name as "app.Model".
    model: ClassVar[type[models.Model] | str | None] = None
    #: Names of the fields to send. None: all except those in `exclude`. A model's to_dict() has precedence over both.
    fields: ClassVar[Iterable[str] | None] = None
    exclude: ClassVar[Iterable[str] | None] = None
    #: Names of many-to-many fields. They are sent as lists of keys, and their change is an update.
    m2m: ClassVar[Iterable[str]] = ()
    #: The operations that are sent. If false, nothing is sent automatically.
    operations: ClassVar[Iterable[Operation] | None] = OPERATIONS
    #: The event's name. None: "app.Model".
    name: ClassVar[str | None] = None
    #: The name for people. None: that of the model.
    verbose_name: ClassVar[Any] = None
    #: The channels: a name, names, or a method `channel(self, instance)` that returns one of these, or None to send
    #: nothing. None: "$events.app.Model".
    channel: Any = None
    #: Who may join the default channel: a guard, a permission such as "app.codename", a function of the user, or a
    #: method `permission(self, user)`. None: users who may view the model.
    permission: Any = None
    #: Whether the changes of one object in one transaction are sent as one event.
    coalesce: ClassVar[bool] = True
    abstract: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "abstract" not in cls.__dict__:
            cls.abstract = cls.model is None

    @cached_property
    def plan(self) -> Plan:
        """Return what is sent, computed from the attributes at first use."""
        return Plan(type(self))

    @cached_property
    def event_name(self) -> str:
        return self.name or self.plan.model._meta.label

    @property
    def event_verbose_name(self) -> str:
        """Return the name for people, in the current language."""
        return str(self.verbose_name or self.plan.model._meta.verbose_name)

    @cached_property
    def default_channel(self) -> str:
        return EVENTS_PREFIX + self.event_name

    def channels_of(self, instance: Any) -> list[str]:
        """Return the names of the channels of `instance`, each once."""
        channel = self.channel
        if channel is None:
            return [self.default_channel]
        names = channel(instance) if callable(channel) else channel
        if names is None:
            return []
        return [names] if isinstance(names, str) else list(dict.fromkeys(names))

    @cached_property
    def rule(self) -> Callable[..., Any]:
        """Return who may join the default channel, as a function of the user that returns True or False.

        Raises:
            InvalidEvent: `permission` is not a permission.
        """
        permission = self.permission
        if permission is None:
            meta = self.plan.model._meta
            permission = f"{meta.app_label}.{get_permission_codename('view', meta)}"
        # In a class body a function becomes a method, even if it takes only the user.
        function = getattr(permission, "__func__", permission)
        is_method = function is not permission and not can_take(function, 1)
        try:
            guard = guard_of(permission if is_method else function)
        except TypeError as error:
            raise self.plan.wrong(f"permission is {error}") from error
        return lambda user: is_true(awaited(guard.allows(user)))
