"""SQLite has one writer at a time: how receivers that read keep out of the way of the caller's transaction."""

from __future__ import annotations

from django.db import connections, router

from .revocations import Revocation


def write_first(using: str) -> None:
    """Have the open transaction of this database, if it is SQLite's, begin with a write.

    A transaction of SQLite that reads before it writes fails with "database is locked" as soon as another one has
    written in between: it does not wait. So what we read in a transaction of the site could break the site's change.
    """
    connection = connections[using]
    if connection.vendor != "sqlite" or not connection.in_atomic_block:
        return
    if router.allow_migrate_model(using, Revocation):
        Revocation.objects.using(using).filter(pk=0).update(user="")
