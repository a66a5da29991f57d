"""Keys of windows, sessions and topics that can be shown: nobody can use them to get in."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from ..protocol import PAGES_NAMESPACE, PRIVATE_PREFIX


def bare(request: Any) -> Any:
    """Return Django's own request: Django REST framework wraps it."""
    return getattr(request, "_request", request)


def window_key(request: HttpRequest) -> str:
    """Return the key of the window that shows the answer to `request`; made on first use."""
    inner = bare(request)
    key: str | None = getattr(inner, "instant_window_key", None)
    if key is None:
        key = inner.instant_window_key = uuid.uuid4().hex
    return key


def keyed(purpose: str, text: str) -> str:
    """Return a hash of `text`, 32 hex digits, that nobody can make without SECRET_KEY."""
    return salted_hmac(f"instant.{purpose}", text, algorithm="sha256").hexdigest()[:32]


def channel_named(name: str) -> str:
    """Return the channel of a topic that is serialized already."""
    return f"{PRIVATE_PREFIX}{PAGES_NAMESPACE}:{keyed('topic', name)}"


def session_of(request: HttpRequest) -> str:
    """Return a keyed hash of the session's key, "" where there is no session: the key itself opens it."""
    session: Any = getattr(bare(request), "session", None)
    if session is None:
        return ""
    if session.__class__.__module__ == "django.contrib.sessions.backends.signed_cookies":
        # Its key is its content, and changes with it; what stays while the user is logged in is this.
        key = session.get(HASH_SESSION_KEY)
    else:
        key = session.session_key
    return keyed("session", key) if key else ""
