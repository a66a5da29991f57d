"""Which pages a site takes for its own, or for friends: the origins that its CORS and CSRF settings name."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from corsheaders.conf import conf as cors
from django.conf import settings
from django.utils.http import is_same_domain


def is_known(origin: str, own: str) -> bool:
    """Tell whether `origin` is `own`, or one that settings name; CORS_ALLOW_ALL_ORIGINS names nobody."""
    if origin == own or origin in cors.CORS_ALLOWED_ORIGINS:
        return True
    if any(re.match(pattern, origin) for pattern in cors.CORS_ALLOWED_ORIGIN_REGEXES):
        return True
    return any(_is_trusted(origin, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS)


def _is_trusted(origin: str, trusted: str) -> bool:
    """As Django's CSRF middleware reads CSRF_TRUSTED_ORIGINS: exact, or `https://*.example.org` for its subdomains."""
    if "*" not in trusted:
        return origin == trusted
    try:
        got, wanted = urlsplit(origin), urlsplit(trusted)
    except ValueError:
        return False
    return got.scheme == wanted.scheme and is_same_domain(got.netloc, wanted.netloc.lstrip("*"))
