"""The part of the server's config by which calls from browsers reach Django."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse

from .. import features
from ..conf.settings import conf

#: What the server shows in each call.
SECRET_HEADER = "X-Instant-Secret"  # noqa: S105 - a name
#: Headers of the browser's that are handed on. None of them may say who it is: cookies belong to other requests.
HANDED_ON = ("User-Agent", "Accept-Language")
VIEW = "instant-rpc"


def is_used() -> bool:
    """Tell whether the server is to hand calls on: the project takes some, and has the urls of django-instant."""
    return features.in_use().windows and path() is not None


def path() -> str | None:
    """Return the path of the view that takes the calls; None where the project leaves out our urls."""
    try:
        return reverse(VIEW)
    except NoReverseMatch:
        return None


def endpoint() -> str:
    """Return where the server sends the calls."""
    return f"{conf.backend_url}{path()}"


def render() -> dict[str, Any]:
    """Return the `rpc` section.

    Raises:
        InvalidSetting: a setting that the server would refuse, or silently take for something else.
    """
    return {
        "proxy": {
            "endpoint": endpoint(),
            "timeout": f"{round(conf.proxy_timeout * 1000)}ms",
            "include_connection_meta": True,
            "http_headers": list(HANDED_ON),
            "http": {"static_headers": {SECRET_HEADER: conf.proxy_secret}},
        },
        "without_namespace": {"proxy_enabled": True},
    }
