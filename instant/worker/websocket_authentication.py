"""Authenticates clients of the plain bridge: by a token in the sub-protocol, or by the session cookie."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http.request import split_domain_port, validate_host
from django.views.decorators.debug import sensitive_variables

from ..access import origins
from ..access.ended_sessions import has_ended
from ..access.known_rights import note_rights_of_connection
from ..access.session_binding import bound_meta, session_of
from ..access.tokens import connection_claims
from ..channels import tenants
from ..channels.user_ids import identity, user_id, user_named
from ..conf.settings import conf
from ..exceptions import Deny

#: The sub-protocols `instant`, and `instant.<connection token>`.
PROTOCOL: Final = "instant"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Guest:
    """An authenticated client: the user's id as in tokens, and the session key if the cookie authenticated it.

    `until` is when access ends with the client's token, in seconds since 1970, or None.
    """

    user: str
    session: str = field(default="", repr=False)
    meta: Mapping[str, Any] | None = None
    until: float | None = None

    @property
    def tenant(self) -> str:
        """The tenant of the client's token or cookie, or "" if there is none."""
        return tenants.tenant_of(self.meta)


def protocol_of(offered: list[str]) -> str | None:
    """Return the sub-protocol for the response. A browser closes a socket if none that it offered is accepted."""
    if PROTOCOL in offered:
        return PROTOCOL
    return next((name for name in offered if name.startswith(f"{PROTOCOL}.")), None)


@sensitive_variables()
def admit(offered: list[str], headers: Mapping[str, str]) -> Guest:
    """Authenticate a client that opens a plain WebSocket. Call this in a thread.

    Raises:
        Deny: the token is not valid, the page belongs to a foreign site, or the user is not logged in although that is
            required.
    """
    token = next((name.partition(".")[2] for name in offered if name.startswith(f"{PROTOCOL}.")), None)
    if token is not None:
        claims = connection_claims(token)
        if claims is None:
            raise Deny(401, "the token is not valid or has expired")
        guest = Guest(str(claims["sub"]), meta=claims.get("meta"), until=_until(claims))
    else:
        # A browser sends cookies with requests from any page.
        _check_origin(headers)
        if conf.INSTANT_TENANT and not tenants.is_fixed():
            raise Deny(401, "a cookie does not name its tenant: use a token")
        guest = _by_cookie(headers)
    if not guest.user and not conf.INSTANT_ALLOW_ANONYMOUS:
        raise Deny(401, "log in first")
    return guest


def is_still_in(guest: Guest) -> bool:
    """Return whether the user may still log in and the session still exists, before `until`. Call this in a thread."""
    with tenants.entered_for(guest.user, guest.meta or {}):
        return not guest.user or _is_user_in(guest)


def _is_user_in(guest: Guest) -> bool:
    user = user_named(guest.user, guest.meta or {})
    if user is None or not getattr(user, "is_active", True):
        return False
    if guest.until is not None and time.time() >= guest.until:
        return False
    if has_ended(user, guest.meta or {}):
        return False
    note_rights_of_connection(user, guest.meta or {})
    return not guest.session or _user_in(_with_session(guest.session)) == user


@sensitive_variables()
def _by_cookie(headers: Mapping[str, str]) -> Guest:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("Cookie", ""))
    except Exception:  # a client can send anything
        return _visitor()
    morsel = cookies.get(settings.SESSION_COOKIE_NAME)
    request = _with_session(morsel.value if morsel else None)
    user = _user_in(request)
    if not morsel or not user.is_authenticated:
        return _visitor()
    return Guest(user_id(user), morsel.value, bound_meta(user, session_of(request).hash))


def _until(claims: Mapping[str, Any]) -> float | None:
    """Return when a token expires, unless Django will notice the end of its session.

    Django notices a log-out and a deleted row, but not a session that expires, which shortens the life of its tokens,
    and not all ends of sessions that are not in the database.
    """
    is_bound = bool((claims.get("meta") or {}).get("session"))
    is_shortened = claims["exp"] - claims.get("iat", 0) < conf.INSTANT_TOKEN_TTL
    is_in_database = hasattr(import_module(settings.SESSION_ENGINE).SessionStore, "get_model_class")
    return None if is_bound and is_in_database and not is_shortened else float(claims["exp"])


def _visitor() -> Guest:
    return Guest("", meta=identity(AnonymousUser()))


@sensitive_variables()
def _with_session(key: str | None) -> Any:
    return SimpleNamespace(session=import_module(settings.SESSION_ENGINE).SessionStore(key), META={})


@sensitive_variables()
def _user_in(request: Any) -> Any:
    try:
        return get_user(request)
    except (TypeError, ValueError, ValidationError):
        return AnonymousUser()


def _check_origin(headers: Mapping[str, str]) -> None:
    origin, host = headers.get("Origin"), headers.get("Host", "")
    if origin is None:
        return
    allowed = settings.ALLOWED_HOSTS or ([".localhost", *_LOOPBACK] if settings.DEBUG else [])
    own = f"{_scheme(headers)}://{host}" if validate_host(split_domain_port(host)[0], allowed) else ""
    if origins.is_known(origin, own) or (settings.DEBUG and _is_loopback(origin)):
        return
    raise Deny(403, "pages of this origin may not open sockets")


def _scheme(headers: Mapping[str, str]) -> str:
    """Return the scheme like HttpRequest.scheme: a proxy's header counts only with SECURE_PROXY_SSL_HEADER."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        given = headers.get(name.removeprefix("HTTP_").replace("_", "-"), "")
        return "https" if given.partition(",")[0].strip() == secure else "http"
    return "http"


def _is_loopback(origin: str) -> bool:
    """Return whether the origin is on this machine. In development Django and the bridge use different ports."""
    try:
        return split_domain_port(urlsplit(origin).netloc)[0] in _LOOPBACK
    except ValueError:
        return False
