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
    """The attributes of an event class, and the values derived from them. Projects subclass `BaseEventModel`."""

    #: Required: the model, or its name such as "app.Model".
    model: ClassVar[type[models.Model] | str | None] = None
    #: The names of the fields to send. None: all fields except those in `exclude`. If the model has a to_dict(), it
    #: replaces both.
    fields: ClassVar[Iterable[str] | None] = None
    exclude: ClassVar[Iterable[str] | None] = None
    #: The names of many-to-many fields. They are sent as lists of primary keys, and a change of one is an update.
    m2m: ClassVar[Iterable[str]] = ()
    #: The operations for which events are sent. If empty or None, no events are sent automatically.
    operations: ClassVar[Iterable[Operation] | None] = OPERATIONS
    #: The name of the event. None: "app.Model".
    name: ClassVar[str | None] = None
    #: The human-readable name. None: the verbose_name of the model.
    verbose_name: ClassVar[Any] = None
    #: The channels: a name, several names, or a method `channel(self, instance)` that returns one of these, or None to
    #: send nothing. None: "$events.app.Model".
    channel: Any = None
    #: Who may join the default channel: a guard, a permission such as "app.codename", a function of the user, or a
    #: method `permission(self, user)`. None: users who may view the model.
    permission: Any = None
    #: Whether several changes of one object in one transaction are sent as one event.
    coalesce: ClassVar[bool] = True
    abstract: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "abstract" not in cls.__dict__:
            cls.abstract = cls.model is None

    @cached_property
    def plan(self) -> Plan:
        """Return the fields that are sent, computed at first use.

        Raises:
            InvalidEvent: an attribute is wrong.
        """
        return Plan(type(self))

    @cached_property
    def event_name(self) -> str:
        return self.name or self.plan.model._meta.label

    @property
    def event_verbose_name(self) -> str:
        """Return the human-readable name in the current language."""
        return str(self.verbose_name or self.plan.model._meta.verbose_name)

    @cached_property
    def default_channel(self) -> str:
        return EVENTS_PREFIX + self.event_name

    def channels_of(self, instance: Any) -> list[str]:
        """Return the names of the channels for `instance`, without duplicates."""
        channel = self.channel
        if channel is None:
            return [self.default_channel]
        names = channel(instance) if callable(channel) else channel
        if names is None:
            return []
        return [names] if isinstance(names, str) else list(dict.fromkeys(names))

    @cached_property
    def rule(self) -> Callable[..., Any]:
        """Return the function that decides which users may join the default channel. It returns True or False.

        Raises:
            InvalidEvent: `permission` is not a permission.
        """
        permission = self.permission
        if permission is None:
            meta = self.plan.model._meta
            permission = f"{meta.app_label}.{get_permission_codename('view', meta)}"
        # In a class body a function becomes a method, even if its only parameter is the user.
        function = getattr(permission, "__func__", permission)
        is_method = function is not permission and not can_take(function, 1)
        try:
            guard = guard_of(permission if is_method else function)
        except TypeError as error:
            raise self.plan.wrong(f"permission is {error}") from error
        return lambda user: is_true(awaited(guard.allows(user)))
