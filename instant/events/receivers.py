"""What Django's signals say, as changes. A model that no event class watches has no receiver of ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import signals

from .delivery import Failure, related, report
from .muting import is_muted
from .operations import OP_CREATE, OP_DELETE, OP_UPDATE
from .pending_changes import Change, snapshot
from .scheduling import submit

if TYPE_CHECKING:
    from .declaration import EventDeclaration

_UID = "instant.events"

#: The event classes that look at each model, and the fields of those that look at each table between two models.
_saves: dict[type[models.Model], list[EventDeclaration]] = {}
_deletes: dict[type[models.Model], list[EventDeclaration]] = {}
_m2m: dict[type[models.Model], list[tuple[EventDeclaration, Any]]] = {}


def watch(event: EventDeclaration, model: type[models.Model]) -> None:
    """Have `event` sent for objects of its model that are saved as `model`: itself, a proxy, or a child's class."""
    if event not in _saves.setdefault(model, []):
        _saves[model].append(event)
        signals.post_save.connect(_saved, model, dispatch_uid=_UID)
    # Deleting a child deletes its parents one by one, each with a signal; saving it says so once, for the child.
    if _table(model) is _table(event.plan.model) and event not in _deletes.setdefault(model, []):
        _deletes[model].append(event)
        signals.pre_delete.connect(_deleted, model, dispatch_uid=_UID)


def watch_m2m(event: EventDeclaration) -> None:
    """Have `event` sent when a many-to-many field of its `m2m` changes, from either side."""
    for field in event.plan.m2m:
        through = field.remote_field.through
        _m2m.setdefault(through, []).append((event, field))
        signals.m2m_changed.connect(_m2m_changed, through, dispatch_uid=_UID)


def unwatch(event: EventDeclaration) -> None:
    """Send `event` no more."""
    for signal, watched in ((signals.post_save, _saves), (signals.pre_delete, _deletes)):
        for model, events in list(watched.items()):
            events[:] = [each for each in events if each is not event]
            if not events:
                del watched[model]
                signal.disconnect(sender=model, dispatch_uid=_UID)
    for through, pairs in list(_m2m.items()):
        pairs[:] = [pair for pair in pairs if pair[0] is not event]
        if not pairs:
            del _m2m[through]
            signals.m2m_changed.disconnect(sender=through, dispatch_uid=_UID)


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
        if update_fields is None or _is_about(change, update_fields):
            changes.append(change)
    if changes:
        submit(changes, using)


def _is_about(change: Change, update_fields: frozenset[str]) -> bool:
    """Note which fields were saved, and tell whether there are any: a child's own are none of its parent's."""
    plan = change.event.plan
    written = [field for field in plan.columns if field.name in update_fields or field.attname in update_fields]
    change.changed = [field.name for field in written]
    change.known = plan.pk_attnames.union(field.attname for field in written)
    return bool(written)


def _deleted(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    """Before it happens: its data, and what other tables say of it, can be read for the last time."""
    changes = [_last_look(event, instance, using) for event in _deletes.get(sender, ()) if not is_muted(event)]
    if changes:
        submit(changes, using)


def _last_look(event: EventDeclaration, instance: models.Model, using: str) -> Change:
    plan = event.plan
    change = snapshot(event, instance, using, OP_DELETE)
    if plan.has_to_dict or plan.m2m or not plan.knows_all(change.values):
        try:
            m2m = {} if plan.has_to_dict else {each.name: related(each, [instance], using)[0] for each in plan.m2m}
            change.data = {**plan.data(instance.__dict__, lambda: instance), **m2m}
        except Exception as error:
            change.data = {}  # that it is gone is worth saying without
            report([Failure(change, None, error)])
    return change


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
        both = field.remote_field.symmetrical
        pks: set[Any] = set()
        if action == "pre_clear" and (reverse or both):
            _cleared(instance)[event, field] = _others(event, field, instance, using)
        elif action == "post_clear":
            pks = _cleared(instance).pop((event, field), set()) | (set() if reverse else {instance.pk})
        elif action in ("post_add", "post_remove") and pk_set:
            pks = pk_set if reverse else {instance.pk, *(pk_set if both else ())}
        changes += _touched(event, field, sorted(pks), using)
    if changes:
        submit(changes, using)


def _touched(event: EventDeclaration, field: Any, pks: Iterable[Any], using: str) -> list[Change]:
    """Nothing is known of these objects but their keys: the rest is read when the events are sent."""
    known = event.plan.pk_attnames
    (attname,) = known
    return [Change(event, using, OP_UPDATE, {attname: pk}, known=known, changed=[field.name]) for pk in pks]


def _cleared(instance: models.Model) -> dict[Any, set[Any]]:
    """Whom clear() is about to part from `instance`: afterwards nobody could tell."""
    stash: dict[Any, set[Any]] = instance._state.__dict__.setdefault("_instant_cleared", {})
    return stash


def _others(event: EventDeclaration, field: Any, instance: models.Model, using: str) -> set[Any]:
    return set(
        event.plan.model._base_manager.using(using).filter(**{field.name: instance}).values_list("pk", flat=True)
    )
