"""Which pages may log in here: those of this site, and those that its CORS or CSRF settings name."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from corsheaders.conf import conf as cors
from django.conf import settings
from django.http import HttpRequest
from django.utils.http import is_same_domain

from .answers import Refused


def require_known_origin(request: HttpRequest) -> None:
    """Refuse a request that a page of a foreign site makes; one without an Origin header comes from no page.

    Raises:
        Refused: the Origin is neither this site's nor in CORS_ALLOWED_ORIGINS, CORS_ALLOWED_ORIGIN_REGEXES or
            CSRF_TRUSTED_ORIGINS.
    """
    origin = request.headers.get("Origin")
    if origin is None or is_known(request, origin):
        return
    raise Refused(
        403,
        "foreign_origin",
        f"pages of {origin[:100]} may not log in here: not in CORS_ALLOWED_ORIGINS, nor in CSRF_TRUSTED_ORIGINS",
    )


def is_known(request: HttpRequest, origin: str) -> bool:
    """Tell whether `origin` is this site's own or one that its settings name; CORS_ALLOW_ALL_ORIGINS names nobody."""
    own = f"{'https' if request.is_secure() else 'http'}://{request.get_host()}"
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
