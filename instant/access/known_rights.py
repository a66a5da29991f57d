"""Changes of rights that sent no signal: found when a user gets tokens, calls, or opens a socket.

`revocation` receives `rights_changed`, and enforces anew what the user may join.
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

#: Sent with `user` by the class KnownRights, in the transaction that writes its row.
rights_changed = Signal()


def note_rights(user: Any, now: str, *, is_changed: bool = False) -> None:
    """Report a change of this user's rights, if the fingerprint `now` is not the one that Django knew.

    The table says what Django knew. So a client cannot hide a change by not showing its old token, and one change is
    reported once, however many connections show it. With `is_changed`, the rights of a user who has no row yet have
    changed. Costs one query while nothing has.
    """
    if not user.is_authenticated:
        return
    sub = user_id(user)
    rows = KnownRights.objects.using(router.db_for_write(KnownRights))
    before = rows.filter(user=sub).values_list("fingerprint", flat=True).first()
    if before is None:
        rows.bulk_create([KnownRights(user=sub, fingerprint=now)], ignore_conflicts=True)
    else:
        # Of two processes that find it, one reports it.
        is_changed = before != now and bool(rows.filter(user=sub, fingerprint=before).update(fingerprint=now))
    if is_changed:
        rights_changed.send(KnownRights, user=user)


def note_rights_of_connection(user: Any, meta: Mapping[str, Any]) -> None:
    """Do what `note_rights` does, if the `meta` of a connection shows other rights than the user has now.

    Costs one query while it does not.
    """
    if not user.is_authenticated:
        return
    before, now = str(meta.get(RIGHTS) or ""), rights_fingerprint(user)
    if not constant_time_compare(before, now):
        note_rights(user, now, is_changed=bool(before))


def forget_rights(user: Any) -> None:
    """Delete what Django knew of a user who is deleted."""
    KnownRights.objects.using(router.db_for_write(KnownRights)).filter(user=user_id(user)).delete()
