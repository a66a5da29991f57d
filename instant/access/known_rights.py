"""Detects changes of a user's rights that sent no signal: when the user gets tokens, calls a signal, or opens a socket.

`revocation` receives the signal `rights_changed`, and checks again which channels the user may be in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import router
from django.dispatch import Signal
from django.utils.crypto import constant_time_compare

from ..channels.user_ids import user_id
from ..models import KnownRights
from .rights import RIGHTS, rights_fingerprint

#: Sent by the class KnownRights, with `user`, in the transaction that writes its row.
rights_changed = Signal()


def note_rights(user: Any, now: str, *, is_changed: bool = False) -> None:
    """Send `rights_changed` if the fingerprint `now` of this user's rights differs from the saved one.

    The table stores the last fingerprint that Django has seen. So a client cannot hide a change by not sending its old
    token, and a change is reported once, however many connections show it. `is_changed` says whether to report a change
    for a user without a row. If nothing has changed, this makes one query.
    """
    if not user.is_authenticated:
        return
    sub = user_id(user)
    rows = KnownRights.objects.using(router.db_for_write(KnownRights))
    before = rows.filter(user=sub).values_list("fingerprint", flat=True).first()
    if before is None:
        rows.bulk_create([KnownRights(user=sub, fingerprint=now)], ignore_conflicts=True)
    else:
        # If two processes detect the change at the same time, only one reports it.
        is_changed = before != now and bool(rows.filter(user=sub, fingerprint=before).update(fingerprint=now))
    if is_changed:
        rights_changed.send(KnownRights, user=user)


def note_rights_of_connection(user: Any, meta: Mapping[str, Any]) -> None:
    """Do the same as `note_rights`, if the `meta` of a connection contains other rights than the user has now.

    If nothing has changed, this makes one query.
    """
    if not user.is_authenticated:
        return
    before, now = str(meta.get(RIGHTS) or ""), rights_fingerprint(user)
    if not constant_time_compare(before, now):
        note_rights(user, now, is_changed=bool(before))


def forget_rights(user: Any) -> None:
    """Delete the saved fingerprint of a user who is deleted."""
    KnownRights.objects.using(router.db_for_write(KnownRights)).filter(user=user_id(user)).delete()
