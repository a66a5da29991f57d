"""The origins that the site trusts: its own, and those of its CORS and CSRF settings."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from corsheaders.conf import conf as cors
from django.conf import settings
from django.utils.http import is_same_domain


def is_known(origin: str, own: str) -> bool:
    """Report whether `origin` is `own`, or is in the settings. CORS_ALLOW_ALL_ORIGINS is ignored."""
    if origin == own or origin in cors.CORS_ALLOWED_ORIGINS:
        return True
    if any(re.match(pattern, origin) for pattern in cors.CORS_ALLOWED_ORIGIN_REGEXES):
        return True
    return any(_is_trusted(origin, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS)


def _is_trusted(origin: str, trusted: str) -> bool:
    """Report whether an entry of CSRF_TRUSTED_ORIGINS allows `origin`, as Django's CSRF middleware does.

    An entry is compared exactly, or like `https://*.example.org` with all subdomains.
    """
    if "*" not in trusted:
        return origin == trusted
    try:
        got, wanted = urlsplit(origin), urlsplit(trusted)
    except ValueError:
        return False
    return got.scheme == wanted.scheme and is_same_domain(got.netloc, wanted.netloc.lstrip("*"))
