"""Turns one change into messages: channels, data, hooks, and removals in the channels that the object has left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import models

from ..messages import Message
from . import hooks
from .declaration import EventDeclaration
from .operations import EVENT_CLASSES, OP_DELETE, Operation
from .pending_changes import Change


def messages_of(change: Change, m2m: Mapping[str, list[Any]]) -> list[Message]:
    """Return the messages of a change: removals in the channels that the object has left, then one for each current
    channel.

    Pages that are in both kinds of channels keep the object, because the removal comes first.
    """
    if change.messages is not None:
        own, names = change.messages, [message.channel for message in change.messages]
    else:
        names = channels_of(change)
        own = []
        if change.is_asked_for:
            content = content_of(change, {**change.event.plan.data(change.values, change.rebuilt), **m2m})
            own = written(change.event, names, content, change.operation, change.rebuilt)
    return [*_removals(change, names), *own]


def removals_before_deletion(change: Change) -> list[Message]:
    """Return the removals of a change of an object that was deleted later.

    The deletion is another event, in the channels that the object had then. If these are unknown because the change
    contains an expression, the removal is sent to all earlier channels.
    """
    before = change.before
    if before is None or before.instance is None:
        return list(before.messages) if before else []
    saved = {name: value for name, value in change.values.items() if change.known is None or name in change.known}
    if any(hasattr(value, "resolve_expression") for value in saved.values()):
        return _removals(change, [])
    change.values = {**before.instance.__dict__, **saved}
    return _removals(change, channels_of(change))


def channels_of(change: Change) -> list[str]:
    """Return the names of the object's channels."""
    event = change.event
    return event.channels_of(change.rebuilt() if callable(event.channel) else None)


def content_of(change: Change, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of the event, before the hooks are called."""
    return {
        "event": change.event.event_name,
        "operation": change.operation,
        "verbose_name": change.event.event_verbose_name,
        "pk": change.pk,
        "data": data,
        "changed": change.changed,
    }


def written(
    event: EventDeclaration,
    names: Sequence[str],
    content: dict[str, Any],
    operation: Operation,
    instance: Callable[[], models.Model],
) -> list[Message]:
    """Return one message for each channel, all with the same content. Return none if a hook drops the event."""
    if not names:
        return []
    passed = hooks.passed(event, content, operation, instance)
    if passed is None:
        return []
    first = Message(names[0], None, passed, EVENT_CLASSES[operation])
    return [first, *(first.to(name) for name in names[1:])]


def _removals(change: Change, names: Sequence[str]) -> list[Message]:
    """Return deletions for the channels that the object has left."""
    before = change.moved_from
    if before is None:
        return []
    left = [name for name in before.names if name not in names]
    if not left:
        return []
    if before.instance is None:
        return [message for message in before.messages if message.channel in left]
    event, old = change.event, before.instance
    removal = Change(event, change.using, OP_DELETE, old.__dict__)
    m2m: dict[str, list[Any]] = {} if event.plan.has_to_dict else {field.name: [] for field in event.plan.m2m}
    content = content_of(removal, {**event.plan.data(old.__dict__, lambda: old), **m2m})
    return written(event, left, content, OP_DELETE, lambda: old)


def related(field: Any, instances: Sequence[models.Model], using: str) -> list[list[Any]]:
    """Return the keys in a many-to-many field of each instance, with one query."""
    through = field.remote_field.through
    source = through._meta.get_field(field.m2m_field_name())
    target = through._meta.get_field(field.m2m_reverse_field_name())
    own = [getattr(instance, source.target_field.attname) for instance in instances]
    rows = through._base_manager.using(using).filter(**{f"{source.name}__in": set(own)})
    lists: dict[Any, list[Any]] = {}
    for key, value in rows.order_by(target.attname).values_list(source.attname, target.attname):
        lists.setdefault(key, []).append(value)
    return [lists.get(key, []) for key in own]
