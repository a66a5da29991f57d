"""The registered event classes: one instance of each, with unique names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from django.db import models
from django.db.models.signals import class_prepared

from ..channels import rules
from ..exceptions import InvalidEvent
from ..model_families import family
from ..user_callables import dotted_name
from . import receivers

if TYPE_CHECKING:
    from .declaration import EventDeclaration

_E = TypeVar("_E", bound="EventDeclaration")

_registered: dict[type[EventDeclaration], EventDeclaration] = {}


def registered() -> list[EventDeclaration]:
    """Return all registered instances, in the order of registration."""
    return list(_registered.values())


def find(event_class: type[EventDeclaration]) -> EventDeclaration | None:
    """Return the registered instance of this class, or None."""
    return _registered.get(event_class)


def add(event: _E) -> _E:
    """Register `event`, and return it. If its class is registered already, return that instance.

    Raises:
        InvalidEvent: an attribute of the class is wrong, or another class has the same name.
    """
    own = type(event)
    if own in _registered:
        return cast("_E", _registered[own])
    name, rule = event.event_name, event.rule
    other = next((each for each in _registered.values() if each.event_name == name), None)
    if other is not None:
        raise InvalidEvent(
            f"two event classes have the name {name!r}: {dotted_name(type(other))} and {dotted_name(own)}; "
            "give one of them another `name`"
        )
    if event.channel is None:
        rules.add(event.default_channel, rule, where=dotted_name(own))
    _registered[own] = event
    if event.operations:
        for model in family(event.plan.model):
            receivers.watch(event, model)
        receivers.watch_m2m(event)
    return event


def remove(event_class: type[EventDeclaration]) -> None:
    """Unregister this class, if it is registered."""
    event = _registered.pop(event_class, None)
    if event is not None:
        receivers.unwatch(event)
        if event.channel is None:
            rules.remove(event.default_channel)


def _late(sender: type[models.Model], **kwargs: object) -> None:
    """Watch a proxy or child class that is defined after its parent was watched."""
    for event in _registered.values():
        if event.operations and issubclass(sender, event.plan.model._meta.concrete_model or ()):
            receivers.watch(event, sender)


class_prepared.connect(_late, dispatch_uid="instant.events")
