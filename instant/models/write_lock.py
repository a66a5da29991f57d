"""Avoid "database is locked" on SQLite, which has one writer at a time."""

from __future__ import annotations

from django.db import connections, router

from .revocations import Revocation


def write_first(using: str) -> None:
    """Begin the open transaction of this database with a write, if the database is SQLite.

    A SQLite transaction that reads before it writes fails with "database is locked" if another connection has written
    in between. It does not wait. Without this, a read of ours inside the site's transaction could make the site's own
    write fail.
    """
    connection = connections[using]
    if connection.vendor != "sqlite" or not connection.in_atomic_block:
        return
    if router.allow_migrate_model(using, Revocation):
        Revocation.objects.using(using).filter(pk=0).update(user="")
