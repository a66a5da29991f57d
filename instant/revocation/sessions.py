"""Detects the end of sessions: log-out, `flush()` and deleted session rows.

With the engines `db` and `cached_db`, Django sends signals for deleted rows, however they are deleted. Other engines
send none. For them `flush()` is wrapped, which log-out calls in sync and async views. If such an engine loses a session
without this call, access ends with the connection token.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db.models import signals
from django.utils import timezone

from ..access.session_binding import session_hash
from ..channels.user_ids import user_id
from ..conf.settings import conf
from ..models import Revocation
from .recording import end_session

#: The most seconds that a connection may outlive its token while Centrifugo waits for a new one.
_GRACE = 60
#: A session before it ends: its user's id in Centrifugo, and the hash of its key, or ALL_SESSIONS.
_Known = tuple[str, str]


def connect() -> None:
    """Watch the sessions of the engine in SESSION_ENGINE. This is called once, when all apps are loaded."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if hasattr(store, "get_model_class"):
        try:
            model = store.get_model_class()
        except RuntimeError:  # the engine's app is not installed, so the site has no sessions
            return
        signals.post_delete.connect(_row_deleted, sender=model, dispatch_uid="instant.session_deleted")
        return
    store.flush = _watched(store.flush)
    if hasattr(store, "aflush"):
        store.aflush = _awatched(store.aflush)


def _row_deleted(instance: Any, using: str, **_: Any) -> None:
    # `clearsessions` deletes many rows. If a session expired long ago, its tokens have expired, too.
    if instance.expire_date < timezone.now() - timedelta(seconds=conf.INSTANT_TOKEN_TTL + _GRACE):
        return
    sub = _sub(instance.get_decoded().get(SESSION_KEY))
    if sub:
        end_session(sub, session_hash(instance.session_key), using)


def _watched(flush: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(flush)
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        known = _known(self)
        result = flush(self, *args, **kwargs)
        _end(known)
        return result

    return watched


def _awatched(aflush: Callable[..., Any]) -> Callable[..., Any]:
    from asgiref.sync import sync_to_async

    @wraps(aflush)
    async def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        known = await sync_to_async(_known)(self)
        result = await aflush(self, *args, **kwargs)
        await sync_to_async(_end)(known)
        return result

    return watched


def _known(store: Any) -> _Known | None:
    sub = _sub(store.get(SESSION_KEY))
    if not sub:
        return None
    if HASH_SESSION_KEY in store and store.__class__.__module__.endswith(".signed_cookies"):
        return sub, Revocation.ALL_SESSIONS  # all cookie sessions of a user have the same hash
    return sub, session_hash(store.session_key)


def _end(known: _Known | None) -> None:
    if known and known[1]:
        end_session(*known)


def _sub(pk: object) -> str:
    """Return the id in Centrifugo of the user with this pk. Return "" if there is no such user."""
    if pk in (None, "") or conf.INSTANT_USER_ID != "username":
        return str(pk or "")
    user = get_user_model()._default_manager.filter(pk=pk).first()
    return user_id(user) if user is not None else ""
