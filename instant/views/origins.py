"""Which pages may log in here: those of this site, and those that its CORS or CSRF settings name."""

from __future__ import annotations

from django.http import HttpRequest

from .. import origins
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
    return origins.is_known(origin, own)
