"""The `rpc` section of the server's config: it forwards calls of browsers to Django."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse

from .. import features
from ..conf.settings import conf

#: The header by which the server authenticates each call.
SECRET_HEADER = "X-Instant-Secret"  # noqa: S105 - a name
#: The browser's headers that are forwarded. None of them identifies the user: the cookies may belong to other requests.
FORWARDED_HEADERS = ("User-Agent", "Accept-Language")
VIEW = "instant-rpc"


def is_used() -> bool:
    """Return whether the server forwards calls.

    It does if the project uses windows and includes django-instant's urls.
    """
    return features.in_use().windows and path() is not None


def path() -> str | None:
    """Return the path of the view that receives the calls, or None if the project does not include our urls."""
    try:
        return reverse(VIEW)
    except NoReverseMatch:
        return None


def endpoint() -> str:
    """Return the URL to which the server sends the calls."""
    return f"{conf.backend_url}{path()}"


def render() -> dict[str, Any]:
    """Return the `rpc` section.

    Raises:
        InvalidSetting: the server would refuse a setting, or silently misread it.
    """
    return {
        "proxy": {
            "endpoint": endpoint(),
            "timeout": f"{round(conf.proxy_timeout * 1000)}ms",
            "include_connection_meta": True,
            "http_headers": list(FORWARDED_HEADERS),
            "http": {"static_headers": {SECRET_HEADER: conf.proxy_secret}},
        },
        "without_namespace": {"proxy_enabled": True},
    }
