"""Change: that something happened to an object, with the object as it was then; and how several become one."""

from __future__ import annotations

from collections.abc import Iterable
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
    """Where an object was before a change: the names of channels, with the object as it was, or the messages that say
    there that it is gone."""

    names: tuple[str, ...]
    instance: models.Model | None
    messages: tuple[Message, ...] = ()
    error: Exception | None = None


class Change:
    """What was done to one object.

    The event is written at the commit, but the instance lives on until then, and may be changed without being saved.
    So the change has a copy of its attributes, which costs next to nothing. `known` names the columns in it that are
    in the table, too; None for all.
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
        #: Whose it is: the commit may come in a request of another.
        self.tenant = tenants.current()
        #: The related objects that the instance had at hand.
        self.cache: dict[Any, Any] = {}
        #: Asked for by emit(): sent whatever `operations` says.
        self.forced = False
        #: The object as it was then, once somebody has asked for it; from the start where nobody else has it.
        self.instance: models.Model | None = None
        #: Of an object that will be gone: what is sent, worked out while it was there.
        self.messages: list[Message] | None = None
        #: Why the messages lack their data, or could not be made.
        self.error: Exception | None = None
        #: Where the object was; None where it was nowhere, or cannot move.
        self.before: Before | None = None

    @property
    def pk(self) -> Any:
        return self.event.plan.pk(self.values)

    @property
    def is_asked_for(self) -> bool:
        """Whether its operation is one that the event sends."""
        return self.forced or self.operation in (self.event.operations or ())

    @property
    def is_wanted(self) -> bool:
        """Whether it may make messages."""
        return self.is_asked_for or self.moved_from is not None

    @property
    def moved_from(self) -> Before | None:
        """Where a removal may be due: the object was there, and deletions are sent."""
        return self.before if OP_DELETE in (self.event.operations or ()) else None

    @property
    def needs_whole(self) -> bool:
        """Whether functions of the project see the object: they may read any field, not only what is sent."""
        return callable(self.event.channel) or hooks.exist_for(type(self.event))

    @property
    def is_complete(self) -> bool:
        """Whether its values are all that the event needs, and what the table has."""
        if self.operation == OP_DELETE:
            return True
        plan, whole = self.event.plan, self.needs_whole
        needed = plan.all_attnames if whole else plan.attnames
        return (self.known is None or self.known >= needed) and plan.knows_all(self.values, whole=whole)

    def rebuilt(self) -> models.Model:
        """The object as it was then: made for hooks, methods, and fields that need one, and then kept."""
        if self.instance is None:
            model = self.event.plan.model
            instance = self.instance = model.__new__(model)
            instance.__dict__.update(self.values)
            state = instance._state = ModelState()
            state.db, state.adding, state.fields_cache = self.using, False, self.cache
        return self.instance


def snapshot(event: EventDeclaration, instance: models.Model, using: str, operation: Operation) -> Change:
    """Return a change with all that `instance` has at this moment."""
    values = instance.__dict__.copy()
    for attname, freeze in event.plan.freezers:
        if attname in values:
            values[attname] = freeze(values[attname])
    change = Change(event, using, operation, values)
    if instance._state.fields_cache:
        change.cache = instance._state.fields_cache.copy()
    return change


def coalesced(collected: Iterable[Any]) -> list[Any]:
    """Make one of all changes of one object, at the place of the first; only those that are wanted are returned, and
    what is no change stays in its place."""
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
            operation = OP_UPDATE  # made again under the same key
    one = Change(later.event, later.using, operation, later.values, known=later.known)
    one.changed = _changed(earlier, later, operation)
    one.cache, one.instance, one.messages, one.error = later.cache, later.instance, later.messages, later.error
    one.tenant = later.tenant
    one.before = earlier.before or (None if earlier.operation == OP_CREATE else later.before)
    one.forced = earlier.forced or later.forced
    if later.known is not None and earlier.operation != OP_DELETE:
        news = {name: later.values[name] for name in later.known if name in later.values}
        one.values, one.instance = {**earlier.values, **news}, None
        one.known = None if earlier.known is None else earlier.known | later.known
        one.cache = {} if "".join(news) else earlier.cache
    return one


def _changed(earlier: Change, later: Change, operation: Operation) -> list[str] | None:
    """The names of both, where both have names."""
    if operation != OP_UPDATE or earlier.changed is None or later.changed is None:
        return None
    return list(dict.fromkeys([*earlier.changed, *later.changed]))
