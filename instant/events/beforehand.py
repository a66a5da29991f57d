"""Reads what the database contains only before a change: the data of a deleted object, and the earlier channels of an
object that moves.

At the commit it would be too late: parents are deleted with their children, and old values are overwritten.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connections, models, transaction

from .declaration import EventDeclaration
from .operations import OP_DELETE
from .pending_changes import Before, Change, numbers, snapshot
from .writing import channels_of, content_of, related, written


def deletion_of(event: EventDeclaration, instance: models.Model, using: str, *, forced: bool = False) -> Change:
    """Return the deletion of `instance`, with its messages. It never raises, so that the deletion continues."""
    change = snapshot(event, instance, using, OP_DELETE)
    change.forced = forced
    prepare_deletion(change)
    return change


def prepare_deletion(change: Change) -> None:
    """Create the messages of a deletion now. Errors are kept in the change, and reported when it is sent."""
    if not change.is_wanted:
        return
    change.messages = []
    try:
        with _guarded(change):
            names = channels_of(_completed(change))
            content = content_of(change, _data(change))
            change.messages = written(change.event, names, content, OP_DELETE, change.rebuilt)
            change.before = Before(tuple(names), None, next(numbers), tuple(change.messages))
    except Exception as error:
        change.error = error


def _completed(change: Change) -> Change:
    """Read the values of expressions, and fields that were never loaded. Values that cannot be read are left out."""
    plan, values = change.event.plan, change.values
    if plan.knows_all(values, whole=change.needs_whole):
        return change
    row = plan.model._base_manager.using(change.using).filter(pk=change.pk).first()
    for field in plan.columns:
        name = field.attname
        is_unknown = name not in values or hasattr(values[name], "resolve_expression")
        if row is not None and (is_unknown or getattr(field, "generated", False)):
            values[name] = row.__dict__[name]
        elif name in values and is_unknown:
            del values[name]
    return change


def _data(change: Change) -> dict[str, Any]:
    """Return the data, or an empty dict if it cannot be created: the deletion is then sent without data."""
    plan = change.event.plan
    try:
        with _guarded(change):
            m2m = (
                {}
                if plan.has_to_dict
                else {each.name: related(each, [change.rebuilt()], change.using)[0] for each in plan.m2m}
            )
            return {**plan.data(change.values, change.rebuilt, partly=True), **m2m}
    except Exception as error:
        change.error = error
        return {}


def _guarded(change: Change) -> AbstractContextManager[object]:
    """Return a context in which a failing query of a project's function does not break the deletion."""
    calls_functions = change.needs_whole or change.event.plan.has_to_dict
    return transaction.atomic(change.using) if calls_functions else nullcontext()


def can_move(event: EventDeclaration) -> bool:
    """Report whether an object can leave a channel of these events. Its departure is sent as a deletion."""
    return callable(event.channel) and OP_DELETE in (event.operations or ())


def channels_before(event: EventDeclaration, pks: Collection[Any], using: str) -> dict[Any, Before]:
    """Read the current channels of these objects from the table, and return them by primary key.

    In a transaction the rows are locked, as the following change will lock them. Otherwise another transaction could
    move an object in between, and the channels that it left would not be notified.
    """
    connection: Any = connections[using]
    rows = event.plan.model._base_manager.using(using)
    # SQL forbids FOR UPDATE with the GROUP BY or DISTINCT that a project's base manager may add.
    can_lock = rows.query.group_by is None and not rows.query.distinct and not rows.query.combinator
    if can_lock and connection.in_atomic_block and connection.features.has_select_for_update_of:
        rows = rows.select_for_update(of=("self",))
    found: dict[Any, Before] = {}
    for instance in rows.filter(pk__in=pks):
        try:
            with transaction.atomic(using) if connection.in_atomic_block else nullcontext():
                found[instance.pk] = Before(tuple(event.channels_of(instance)), instance, next(numbers))
        except Exception as error:
            found[instance.pk] = Before((), instance, next(numbers), error=error)
    return found
