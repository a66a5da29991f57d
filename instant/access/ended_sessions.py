"""Checks whether the session of a connection has ended. The check runs when the connection acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..channels.user_ids import user_id
from ..models import Revocation
from .session_binding import auth_of

if TYPE_CHECKING:
    from ..channels.user_ids import User


def has_ended(user: User, meta: Mapping[str, Any]) -> bool:
    """Report whether the session of a connection with this `meta` has ended by log-out, deletion or a new password.

    For a user who is logged in, this makes one query. If `meta` contains no session hash, only the user and the
    password are compared, without a query. Return False for a visitor.
    """
    if not user.is_authenticated:
        return False
    if meta.get("user") != user_id(user) or meta.get("auth") != auth_of(user):
        return True
    session = str(meta.get("session") or "")
    return bool(session) and Revocation.objects.filter(user=user_id(user), session=session).exists()
