"""What the engine of a page is told that is no secret."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from .. import access, features
from ..conf import conf
from ..token import user_id
from .page import safely, user_of

#: Where the auth view of version 0.1 is, as all its docs had it.
AUTH_PATH = "centrifuge/auth/"
#: Seconds that clients wait by themselves.
_PATIENCE = 5


def described(request: HttpRequest) -> dict[str, Any]:
    """Return the page's facts: `user` is None for who may not connect, and "" for a visitor who may."""
    urlconf = getattr(request, "urlconf", None)
    return {
        "prefix": _prefix(urlconf),
        "path": request.path,
        "user": safely(lambda: _user(request), None),
        "debug": conf.INSTANT_DEBUG,
        "site": conf.SITE_SLUG,
        "auth_url": _auth_url(urlconf),
        **_timeout(),
    }


def _timeout() -> dict[str, int]:
    """How long the client waits for an answer, in milliseconds, where Django may take longer than it would wait."""
    if not features.uses_windows() or conf.proxy_timeout <= _PATIENCE - 1:
        return {}
    return {"timeout": round((conf.proxy_timeout + 1) * 1000)}


def _user(request: HttpRequest) -> str | None:
    user = user_of(request)
    return user_id(user) if access.may_connect(user) else None


def _prefix(urlconf: str | None) -> str:
    try:
        url = reverse("instant-get-token", urlconf)
    except NoReverseMatch as error:
        raise ImproperlyConfigured(
            'instant_client needs the urls of django-instant: add path("instant/", include("instant.urls"))'
        ) from error
    return url.rstrip("/").rpartition("/")[0] + "/"


def _auth_url(urlconf: str | None) -> str | None:
    try:
        return reverse("instant-auth", urlconf)
    except NoReverseMatch:  # a custom auth view needs no name
        has_one = _has_auth_view(urlconf or settings.ROOT_URLCONF)
        return get_script_prefix() + AUTH_PATH if has_one else None


@lru_cache(maxsize=8)
def _has_auth_view(urlconf: str) -> bool:
    """Kept, as it tries all the site's urls. A pattern that takes everything is no auth view."""
    try:
        return "auth" in resolve(f"/{AUTH_PATH}", urlconf).route
    except Resolver404:
        return False
