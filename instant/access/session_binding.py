"""Binds a connection to its session. The binding is signed into the connection token. It is checked when the connection
makes a call or opens a socket, and every 10 seconds while a plain WebSocket is open.

Only Centrifugo and Django see the token's `meta`. It contains a hash of the session's key, and a fingerprint of the
user's rights. It also contains a hash of the user's session auth hash, which changes with the password.

The token's `info` is visible to other clients in presence. It contains short forms of the two hashes. By these, Django
finds the connections of a session that has ended. None of the hashes can be used to authenticate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import HASH_SESSION_KEY

from ..channels.user_ids import identity, user_id
from ..keyed_hash import keyed
from .rights import RIGHTS, rights_fingerprint

if TYPE_CHECKING:
    from ..channels.user_ids import User

_COOKIES = "django.contrib.sessions.backends.signed_cookies"
#: The number of hex digits of a hash that other clients may see.
_SHORT = 12


@dataclass(frozen=True, slots=True)
class Session:
    """The session of a request.

    `hash` is the result of `session_hash`, or "" without a session. `expires_in` is in seconds, or None.
    """

    hash: str = ""
    expires_in: int | None = None


def session_hash(key: str | None) -> str:
    """Return the keyed hash of a session's key, or "" without a key."""
    return keyed("session", key) if key else ""


def session_of(request: Any) -> Session:
    """Return the session of a request. The request may be one of Django REST framework."""
    session: Any = getattr(getattr(request, "_request", request), "session", None)
    if session is None:
        return Session()
    # The key of a cookie session is its content, which changes with each write. So the session auth hash is used, which
    # stays the same while the user is logged in. All cookie sessions of a user have the same one.
    in_cookies = session.__class__.__module__ == _COOKIES
    key = session.get(HASH_SESSION_KEY) if in_cookies else session.session_key
    return Session(session_hash(key), session.get_expiry_age()) if key else Session()


def bound_meta(user: User, session: str = "", window: str = "", rights: str | None = None) -> dict[str, Any]:
    """Return the `meta` of a connection token for a user, the hash of a session, and the key of a window.

    `rights` is the fingerprint of the user's rights, if the caller has read it already.
    """
    rights = rights_fingerprint(user) if rights is None else rights
    meta = {"user": user_id(user), "session": session, "auth": auth_of(user), RIGHTS: rights, **identity(user)}
    return {**meta, "window": window} if window else meta


def shown_info(meta: Mapping[str, Any]) -> dict[str, str]:
    """Return the `info` of a connection token with this `meta`."""
    both = {"s": shown_session(str(meta.get("session") or "")), "a": shown_auth(str(meta.get("auth") or ""))}
    return {name: shown for name, shown in both.items() if shown}


def shown_session(session: str) -> str:
    """Return the short form of a session's hash that other clients may see."""
    return keyed("shown.session", session)[:_SHORT] if session else ""


def shown_auth(auth: str) -> str:
    """Return the short form of a session auth hash that other clients may see."""
    return keyed("shown.auth", auth)[:_SHORT] if auth else ""


def current_auth(user: User) -> str:
    """Return the short session auth hash of the user's current password.

    The `info` of a connection contains the same hash if its token was issued for this password.
    """
    return shown_auth(auth_of(user))


def auth_of(user: User) -> str:
    """Return a keyed hash of the user's session auth hash, or "" if the user model has none."""
    hashed = getattr(user, "get_session_auth_hash", None)
    return keyed("auth", hashed()) if user.is_authenticated and hashed is not None else ""
