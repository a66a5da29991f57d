"""Change: an operation on an object, with a copy of the object. Several changes of an object are merged into one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models.base import ModelState

from ..channels import tenants
from . import hooks
from .operations import OP_CREATE, OP_DELETE, OP_UPDATE, Operation

if TYPE_CHECKING:
    from django.db import models

    from ..messages import Message
    from .declaration import EventDeclaration


class Before(NamedTuple):
    """The channels of an object before a change: their names with the earlier object, or the messages that remove it
    there.
    """

    names: tuple[str, ...]
    instance: models.Model | None
    #: Greater for what was read later.
    number: int
    messages: tuple[Message, ...] = ()
    error: Exception | None = None


#: Numbers for `Before`. A receiver of a save may save the object again, so changes may be in another order.
numbers = itertools.count()


class Change:
    """An operation on one object.

    The event is created at the commit. Until then the instance may be changed without being saved, so the change has a
    shallow copy of its attributes. `known` has the names of the columns whose values are also in the table; None stands
    for all columns.
    """

    __slots__ = (
        *("before", "cache", "changed", "error", "event", "forced", "instance", "known", "messages", "operation"),
        *("tenant", "using", "values"),
    )

    def __init__(
        self,
        event: EventDeclaration,
        using: str,
        operation: Operation,
        values: dict[str, Any],
        *,
        known: frozenset[str] | None = None,
        changed: list[str] | None = None,
    ) -> None:
        self.event, self.using, self.operation = event, using, operation
        self.values, self.known, self.changed = values, known, changed
        #: The current tenant. The transaction may commit in a request of another tenant.
        self.tenant = tenants.current()
        #: The related objects that the instance had loaded.
        self.cache: dict[Any, Any] = {}
        #: Requested by emit(): it is sent whatever `operations` says.
        self.forced = False
        #: The copied object, created at first use. If no other code refers to the original, it is set at once.
        self.instance: models.Model | None = None
        #: For a deletion: the messages, which were created while the object existed.
        self.messages: list[Message] | None = None
        #: The error because of which the messages lack their data, or could not be created.
        self.error: Exception | None = None
        #: The object's channels before the change. None if it was in no channel, or cannot move.
        self.before: Before | None = None

    @property
    def pk(self) -> Any:
        return self.event.plan.pk(self.values)

    @property
    def is_asked_for(self) -> bool:
        """Report whether the event class sends this operation."""
        return self.forced or self.operation in (self.event.operations or ())

    @property
    def is_wanted(self) -> bool:
        """Report whether this change can produce messages."""
        return self.is_asked_for or self.moved_from is not None

    @property
    def moved_from(self) -> Before | None:
        """Return the earlier channels, where removals may be needed. None if deletions are not sent."""
        return self.before if OP_DELETE in (self.event.operations or ()) else None

    @property
    def needs_whole(self) -> bool:
        """Report whether functions of the project receive the object, because they may read any field."""
        return callable(self.event.channel) or hooks.exist_for(type(self.event))

    @property
    def is_complete(self) -> bool:
        """Report whether the change has all values that the event needs, and they equal those in the table."""
        if self.operation == OP_DELETE:
            return True
        plan, whole = self.event.plan, self.needs_whole
        needed = plan.all_attnames if whole else plan.attnames
        return (self.known is None or self.known >= needed) and plan.knows_all(self.values, whole=whole)

    def rebuilt(self) -> models.Model:
        """Return the object as it was at the change. It is created at first use, then kept."""
        if self.instance is None:
            model = self.event.plan.model
            instance = self.instance = model.__new__(model)
            instance.__dict__.update(self.values)
            state = instance._state = ModelState()
            state.db, state.adding, state.fields_cache = self.using, False, self.cache
        return self.instance


def snapshot(event: EventDeclaration, instance: models.Model, using: str, operation: Operation) -> Change:
    """Return a change with a copy of the current state of `instance`."""
    values = instance.__dict__.copy()
    for attname, freeze in event.plan.freezers:
        if attname in values:
            values[attname] = freeze(values[attname])
    change = Change(event, using, operation, values)
    if instance._state.fields_cache:
        change.cache = instance._state.fields_cache.copy()
    return change


def coalesced(collected: Iterable[Any]) -> list[Any]:
    """Merge all changes of one object into one, at the position of the first.

    Changes that cannot produce messages are left out. Entries of other kinds stay in place.
    """
    kept: dict[Any, Any] = {}
    for change in collected:
        if not isinstance(change, Change) or not change.event.coalesce:
            kept[id(change)] = change
            continue
        key = (change.event, change.using, change.tenant, change.pk)
        earlier = kept.get(key)
        if earlier is None:
            kept[key] = change
        elif earlier.operation == OP_CREATE and change.operation == OP_DELETE:
            del kept[key]
        else:
            kept[key] = _merged(earlier, change)
    return [each for each in kept.values() if not isinstance(each, Change) or each.is_wanted]


def _merged(earlier: Change, later: Change) -> Change:
    operation = later.operation
    if operation != OP_DELETE:
        if earlier.operation == OP_CREATE:
            operation = OP_CREATE
        elif earlier.operation == OP_DELETE:
            operation = OP_UPDATE  # created again with the same key
    one = Change(later.event, later.using, operation, later.values, known=later.known)
    one.changed = _changed(earlier, later, operation)
    one.cache, one.instance, one.messages, one.error = later.cache, later.instance, later.messages, later.error
    one.tenant = later.tenant
    befores = [earlier.before, None if earlier.operation == OP_CREATE else later.before]
    one.before = min(filter(None, befores), key=attrgetter("number"), default=None)
    one.forced = earlier.forced or later.forced
    if later.known is not None and earlier.operation != OP_DELETE:
        news = {name: later.values[name] for name in later.known if name in later.values}
        one.values, one.instance = {**earlier.values, **news}, None
        one.known = None if earlier.known is None else earlier.known | later.known
        one.cache = {} if "".join(news) else earlier.cache
    return one


def _changed(earlier: Change, later: Change, operation: Operation) -> list[str] | None:
    """Return the names of the fields that either change names, or None if one of them has no names."""
    if operation != OP_UPDATE or earlier.changed is None or later.changed is None:
        return None
    return list(dict.fromkeys([*earlier.changed, *later.changed]))
