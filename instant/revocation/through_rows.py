"""Watches rows of a many-to-many table that are deleted or changed directly.

Django sends no signals for tables that it creates. With this module, `user.groups.through.objects.filter(…).delete()`
ends memberships as `user.groups.remove(…)` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from django.db import models, router, transaction
from django.db.models import signals
from django.db.models.fields import related_descriptors

#: Called with the primary keys of the objects whose rows were deleted or changed, and the database.
Removed = Callable[[list[Any], str], object]


def watch_removal(through: type[models.Model], owner: str, removed: Removed) -> None:
    """Call `removed` when rows of `through` are deleted, or changed to connect other objects.

    `owner` is the name of the field to the objects whose keys are passed.
    """
    if through._meta.auto_created:
        _watch_made_by_django(through, f"{owner}_id", removed)
    else:
        _watch_signals(through, f"{owner}_id", removed)


def _watch_signals(through: type[models.Model], attname: str, removed: Removed) -> None:
    def row_deleted(instance: Any, using: str, **_: Any) -> None:
        removed([getattr(instance, attname)], using)

    def row_will_change(instance: Any, using: str, **_: Any) -> None:
        instance._instant_owner = _owner_before(instance, attname, using)

    def row_changed(instance: Any, using: str, **_: Any) -> None:
        if owners := instance.__dict__.pop("_instant_owner", None):
            removed(owners, using)

    uid = f"instant.rows.{through._meta.label}"
    signals.post_delete.connect(row_deleted, through, weak=False, dispatch_uid=uid)
    signals.pre_save.connect(row_will_change, through, weak=False, dispatch_uid=uid)
    signals.post_save.connect(row_changed, through, weak=False, dispatch_uid=uid)


def _owner_before(row: Any, attname: str, using: str) -> list[Any]:
    """Return the owner of the saved row as a list. The list is empty if the row is new."""
    if row._state.adding:
        return []
    return list(type(row)._base_manager.using(using).filter(pk=row.pk).values_list(attname, flat=True))


def _watch_made_by_django(through: type[models.Model], attname: str, removed: Removed) -> None:
    class WatchedQuerySet(models.QuerySet[Any]):
        def delete(self) -> tuple[int, dict[str, int]]:
            # The managers of fields send m2m_changed already. Passing their calls through saves a query, and lets a
            # transaction begin with its write, which SQLite needs.
            if sys._getframe(1).f_globals.get("__name__") == related_descriptors.__name__:
                return super().delete()
            owners = list(self.values_list(attname, flat=True).distinct())
            with transaction.atomic(self.db, savepoint=False):
                deleted = super().delete()
                removed(owners, self.db)
            return deleted

        delete.alters_data = True  # type: ignore[attr-defined]
        delete.queryset_only = True  # type: ignore[attr-defined]

        def update(self, **kwargs: Any) -> int:
            owners = list(self.values_list(attname, flat=True).distinct())
            with transaction.atomic(self.db, savepoint=False):
                updated = super().update(**kwargs)
                removed(owners, self.db)
            return updated

        update.alters_data = True  # type: ignore[attr-defined]

    def delete_row(self: Any, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        using = kwargs.get("using") or self._state.db
        with transaction.atomic(using, savepoint=False):
            deleted: tuple[int, dict[str, int]] = models.Model.delete(self, *args, **kwargs)
            removed([getattr(self, attname)], using)
        return deleted

    def save_row(self: Any, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            models.Model.save(self, *args, **kwargs)
            return
        using = kwargs.get("using") or router.db_for_write(through, instance=self)
        owners = _owner_before(self, attname, using)
        with transaction.atomic(using, savepoint=False):
            models.Model.save(self, *args, **kwargs)
            removed(owners, using)

    # The first manager with a name wins, so the one that Django created must be removed.
    through._meta.local_managers.clear()
    through.add_to_class("objects", models.Manager.from_queryset(WatchedQuerySet)())
    through.delete = delete_row  # type: ignore[method-assign]
    through.save = save_row  # type: ignore[method-assign]
