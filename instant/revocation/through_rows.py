"""Rows of a many-to-many table that are deleted as rows: Django sends no signals for a table that it made itself.

`user.groups.through.objects.filter(…).delete()` ends memberships as `user.groups.remove(…)` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from django.db import models, transaction
from django.db.models import signals
from django.db.models.fields import related_descriptors

#: Called with the primary keys of the objects whose rows were deleted, and the database.
Removed = Callable[[list[Any], str], object]


def watch_removal(through: type[models.Model], owner: str, removed: Removed) -> None:
    """Call `removed` when rows of `through` are deleted; `owner` is the name of its field to the objects that count."""
    attname = f"{owner}_id"
    if not through._meta.auto_created:

        def row_deleted(instance: Any, using: str, **_: Any) -> None:
            removed([getattr(instance, attname)], using)

        uid = f"instant.rows.{through._meta.label}"
        signals.post_delete.connect(row_deleted, through, weak=False, dispatch_uid=uid)
        return

    class WatchedQuerySet(models.QuerySet[Any]):
        def delete(self) -> tuple[int, dict[str, int]]:
            # Managers of fields send m2m_changed. A query less, and on SQLite a transaction that begins with its write.
            if sys._getframe(1).f_globals.get("__name__") == related_descriptors.__name__:
                return super().delete()
            owners = list(self.values_list(attname, flat=True).distinct())
            with transaction.atomic(self.db, savepoint=False):
                deleted = super().delete()
                removed(owners, self.db)
            return deleted

        delete.alters_data = True  # type: ignore[attr-defined]
        delete.queryset_only = True  # type: ignore[attr-defined]

    def delete_row(self: Any, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        using = kwargs.get("using") or self._state.db
        with transaction.atomic(using, savepoint=False):
            deleted: tuple[int, dict[str, int]] = models.Model.delete(self, *args, **kwargs)
            removed([getattr(self, attname)], using)
        return deleted

    # The first manager of a name wins: the one that Django made goes.
    through._meta.local_managers.clear()
    through.add_to_class("objects", models.Manager.from_queryset(WatchedQuerySet)())
    through.delete = delete_row  # type: ignore[method-assign]
