"""Turns Django's signals into changes. Models without event classes get no receivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import signals

from .beforehand import can_move, channels_before, deletion_of
from .muting import is_muted
from .operations import OP_CREATE, OP_UPDATE
from .pending_changes import Change, snapshot
from .scheduling import submit

if TYPE_CHECKING:
    from .declaration import EventDeclaration

_UID = "instant.events"
#: A separate uid, because the table between two models may also have its own event class.
_ROW_UID = "instant.events.rows"

#: The event classes of each model. For each table between two models: the many-to-many fields that use it.
_saves: dict[type[models.Model], list[EventDeclaration]] = {}
_deletes: dict[type[models.Model], list[EventDeclaration]] = {}
_m2m: dict[type[models.Model], list[tuple[EventDeclaration, Any]]] = {}


def watch(event: EventDeclaration, model: type[models.Model]) -> None:
    """Send `event` for objects that are saved as `model`: the event's model, one of its proxies, or a child class."""
    if event not in _saves.setdefault(model, []):
        _saves[model].append(event)
        signals.post_save.connect(_saved, model, dispatch_uid=_UID)
        if can_move(event):
            signals.pre_save.connect(_saving, model, dispatch_uid=_UID)
    # Deleting a child deletes its parents one by one, with a signal for each. Saving a child sends a signal for the
    # child only.
    if _table(model) is _table(event.plan.model) and event not in _deletes.setdefault(model, []):
        _deletes[model].append(event)
        signals.pre_delete.connect(_deleted, model, dispatch_uid=_UID)


def watch_m2m(event: EventDeclaration) -> None:
    """Send `event` when one of its `m2m` fields changes, from either side."""
    for field in event.plan.m2m:
        through = field.remote_field.through
        _m2m.setdefault(through, []).append((event, field))
        signals.m2m_changed.connect(_m2m_changed, through, dispatch_uid=_UID)
        for signal, receiver in _ROW_SIGNALS:
            signal.connect(receiver, through, dispatch_uid=_ROW_UID)


def unwatch(event: EventDeclaration) -> None:
    """Stop sending `event`."""
    for signal, watched in ((signals.post_save, _saves), (signals.pre_delete, _deletes)):
        for model, events in list(watched.items()):
            events[:] = [each for each in events if each is not event]
            if not events:
                del watched[model]
                signal.disconnect(sender=model, dispatch_uid=_UID)
                signals.pre_save.disconnect(sender=model, dispatch_uid=_UID)
    for through, pairs in list(_m2m.items()):
        pairs[:] = [pair for pair in pairs if pair[0] is not event]
        if not pairs:
            del _m2m[through]
            signals.m2m_changed.disconnect(sender=through, dispatch_uid=_UID)
            for row_signal, _ in _ROW_SIGNALS:
                row_signal.disconnect(sender=through, dispatch_uid=_ROW_UID)


def _table(model: type[models.Model]) -> type[models.Model]:
    return model._meta.concrete_model or model


def _saved(
    sender: type[models.Model],
    *,
    instance: models.Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None = None,
    **kwargs: Any,
) -> None:
    if raw:
        return
    changes = []
    for event in _saves.get(sender, ()):
        if is_muted(event):
            continue
        change = snapshot(event, instance, using, OP_CREATE if created else OP_UPDATE)
        before = _stash(instance)[event].pop() if can_move(event) and _stash(instance).get(event) else None
        change.before = None if created else before
        if update_fields is None or _is_about(change, update_fields):
            changes.append(change)
    if changes:
        submit(changes, using)


def _is_about(change: Change, update_fields: frozenset[str]) -> bool:
    """Record which fields were saved, and report whether there are any.

    `update_fields` may contain only fields of a child model, which do not belong to its parent.
    """
    plan = change.event.plan
    written = [field for field in plan.columns if field.name in update_fields or field.attname in update_fields]
    change.changed = [field.name for field in written]
    change.known = plan.pk_attnames.union(field.attname for field in written)
    return bool(written)


def _saving(sender: type[models.Model], *, instance: models.Model, raw: bool, using: str, **kwargs: Any) -> None:
    """Record the object's channels before the save overwrites the old values.

    They are put on a stack, because a receiver of `post_save` may save the instance again, before ours is called.
    """
    for event in () if raw else _saves.get(sender, ()):
        if can_move(event) and not is_muted(event):
            pk = event.plan.pk(instance.__dict__)
            before = channels_before(event, [pk], using).get(pk) if _may_exist(event, instance) else None
            _stash(instance).setdefault(event, []).append(before)


def _may_exist(event: EventDeclaration, instance: models.Model) -> bool:
    """Report whether the object may already have a row.

    Django treats an object as new if its primary key has a default and it was not read from the database.
    """
    meta = event.plan.model._meta
    if any(instance.__dict__.get(field.attname) is None for field in event.plan.pk_fields):
        return False
    return not (instance._state.adding and meta.pk.has_default())


def _deleted(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    changes = [deletion_of(event, instance, using) for event in _deletes.get(sender, ()) if not is_muted(event)]
    if changes:
        submit(changes, using)


def _m2m_changed(
    sender: type[models.Model],
    *,
    instance: models.Model,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    using: str,
    **kwargs: Any,
) -> None:
    changes: list[Change] = []
    for event, field in _m2m.get(sender, ()):
        if is_muted(event):
            continue
        if action.startswith("pre_"):
            pks = _others(event, field, instance, using, reverse) if action == "pre_clear" else pk_set or set()
            pks = pks if reverse else {instance.pk, *(pks if field.remote_field.symmetrical else ())}
            before = channels_before(event, pks, using) if can_move(event) else {}
            _stash(instance)[event, field] = pks, before
        elif action == "post_clear" or pk_set:
            changes += _touched(event, field, instance, using)
    if changes:
        submit(changes, using)


def _touched(event: EventDeclaration, field: Any, instance: models.Model, using: str) -> list[Change]:
    """Return changes of objects of which only the keys are known. Other values are read when the events are sent."""
    pks, before = _stash(instance).pop((event, field), ((), {}))
    known = event.plan.pk_attnames
    (attname,) = known
    changes = [Change(event, using, OP_UPDATE, {attname: pk}, known=known, changed=[field.name]) for pk in sorted(pks)]
    for change in changes:
        change.before = before.get(change.pk)
    return changes


def _stash(instance: models.Model) -> dict[Any, Any]:
    """Return a dict on the instance. It passes what was read before a change to the receiver after the change."""
    stash: dict[Any, Any] = instance._state.__dict__.setdefault("_instant_before", {})
    return stash


def _others(event: EventDeclaration, field: Any, instance: models.Model, using: str, reverse: bool) -> set[Any]:
    """Return the keys of the objects that clear() is about to remove from `instance`. They are unknown afterwards."""
    if not reverse and not field.remote_field.symmetrical:
        return set()
    rows = event.plan.model._base_manager.using(using).filter(**{field.name: instance})
    return set(rows.values_list("pk", flat=True))


def _row_changing(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    """Handle a row of a table between two models that is about to be saved or deleted as an object."""
    for event, field in _m2m.get(sender, ()):
        if not is_muted(event):
            pks = _owners(event, field, instance, using)
            _stash(instance)[event, field] = pks, channels_before(event, pks, using) if can_move(event) else {}


def _row_changed(
    sender: type[models.Model], instance: models.Model, using: str, *, raw: bool = False, **kwargs: Any
) -> None:
    origin = kwargs.get("origin", instance)
    if raw or getattr(origin, "model", type(origin)) is not sender:
        return  # it is deleted together with one of the two objects
    changes: list[Change] = []
    for event, field in _m2m.get(sender, ()):
        changes += _touched(event, field, instance, using)
    if changes:
        submit(changes, using)


def _owners(event: EventDeclaration, field: Any, row: models.Model, using: str) -> set[Any]:
    """Return the keys of the objects whose many-to-many field contains the row, now or before the change."""
    source: Any = type(row)._meta.get_field(field.m2m_field_name())
    keys = {getattr(row, source.attname)}
    if row.pk is not None:
        keys.update(type(row)._base_manager.using(using).filter(pk=row.pk).values_list(source.attname, flat=True))
    owners = event.plan.model._base_manager.using(using).filter(**{f"{source.target_field.name}__in": keys - {None}})
    return set(owners.values_list("pk", flat=True))


#: Django sends these signals for tables that the project declares with `through`, and not for tables that Django
#: creates.
_ROW_SIGNALS = (
    (signals.pre_save, _row_changing),
    (signals.pre_delete, _row_changing),
    (signals.post_save, _row_changed),
    (signals.post_delete, _row_changed),
)
