"""What the template tags of a page render: facts about the page, a placeholder for credentials, and the handlers."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from .. import features
from ..access import channel_access
from ..channels.user_ids import user_id, user_of
from ..conf.settings import conf
from ..legacy.auth_url import auth_url
from ..protocol import CREDENTIALS_ID
from ..serializer import exact
from ..windows import page_window
from .page_positions import take_if_used
from .page_state import names_at, page_of, without_database_errors

OPENS, CLOSES = f'<script type="application/json" id="{CREDENTIALS_ID}">', "</script>"
#: The element that the tag renders for every user.
PLACEHOLDER = f"{OPENS}{{}}{CLOSES}"
#: The same escapes as in `json_script`, so that the text cannot end the element.
_ESCAPES = {ord(char): f"\\u{ord(char):04X}" for char in "<>&"}
#: The default timeout of clients for a response, in seconds.
_CLIENT_TIMEOUT = 5


def client_context(request: HttpRequest) -> dict[str, Any]:
    """Return the context of `{% instant_client %}`: `page`, `placeholder`, and the `channels` that may have handlers.

    The positions of channels that were not marked are read now.
    """
    names = names_at(request)
    take_if_used(request, [*names, *page_of(request).streams, *_topics_of(request)])
    return {"page": described(request), "placeholder": PLACEHOLDER, "channels": names}


def join_stream(request: HttpRequest, channel: str) -> None:
    """Make the page join `channel` as well, if its user may."""
    streams = page_of(request).streams
    if channel not in streams:
        streams.append(channel)
        take_if_used(request, [channel])


def _topics_of(request: HttpRequest) -> list[str]:
    return page_window.topics_of(request) if page_of(request).fills else []


def described(request: HttpRequest) -> dict[str, Any]:
    """Return the facts about the page. `user` is None for users who may not connect, and "" for visitors who may.

    Raises:
        ImproperlyConfigured: the URLs of django-instant are not included.
    """
    urlconf = getattr(request, "urlconf", None)
    return {
        "prefix": _prefix(urlconf),
        "path": request.path,
        "user": _user(request),
        "debug": conf.INSTANT_DEBUG,
        "site": conf.SITE_SLUG,
        "auth_url": auth_url(urlconf),
        **_timeout(),
    }


def _timeout() -> dict[str, int]:
    """Return how long the client waits for a response, in milliseconds, if Django may take longer than its default."""
    if not features.in_use().windows or conf.proxy_timeout <= _CLIENT_TIMEOUT - 1:
        return {}
    return {"timeout": round((conf.proxy_timeout + 1) * 1000)}


def _user(request: HttpRequest) -> str | None:
    sub: str | None = None
    with without_database_errors():
        if channel_access.may_connect(user := user_of(request)):
            sub = user_id(user)
    return sub


def _prefix(urlconf: str | None) -> str:
    try:
        url = reverse("instant-get-token", urlconf)
    except NoReverseMatch as error:
        raise ImproperlyConfigured(
            'instant_client needs the URLs of django-instant: add path("instant/", include("instant.urls"))'
        ) from error
    return url.rstrip("/").rpartition("/")[0] + "/"


def script_json(value: object) -> str:
    """Return `value` as JSON that is safe in any script element, in ASCII, because a page may have any encoding.

    Integers beyond ±(2^53 - 1) are text, as in messages.
    """
    return json.dumps(exact(value)).translate(_ESCAPES)
