"""The URL of the auth view of version 0.1. Removed in django-instant 6.0."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

#: The path of the auth view in the documentation of version 0.1.
AUTH_PATH = "centrifuge/auth/"


def auth_url(urlconf: str | None) -> str | None:
    """Return the URL of the project's auth view, or None if it has none."""
    try:
        return reverse("instant-auth", urlconf)
    except NoReverseMatch:  # a custom auth view needs no name
        has_one = _has_auth_view(urlconf or settings.ROOT_URLCONF)
        return get_script_prefix() + AUTH_PATH if has_one else None


@lru_cache(maxsize=8)
def _has_auth_view(urlconf: str) -> bool:
    """Report whether a URL pattern with "auth" in its route matches AUTH_PATH. Cached, because it resolves all URLs of
    the site.
    """
    try:
        return "auth" in resolve(f"/{AUTH_PATH}", urlconf).route
    except Resolver404:
        return False
