"""The parts of a WindowInfo. The setting INSTANT_WINDOW_INFO_MIDDLEWARES lists them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone, translation

from ..access.session_binding import session_of
from .window_info import InfoMiddleware, WindowInfo
from .window_keys import window_key

__all__ = [
    "BrowserMiddleware",
    "DjangoAuthMiddleware",
    "Djangoi18nMiddleware",
    "InfoMiddleware",
    "WindowKeyMiddleware",
]

#: The most characters of a User-Agent that are kept, so that queues stay small. Browsers send fewer.
_LONGEST = 500


class WindowKeyMiddleware(InfoMiddleware):
    """The window: `window_key`."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["window_key"] = window_key(request)


class DjangoAuthMiddleware(InfoMiddleware):
    """The user: `user_id`, `username`, and what is read from the database for them; `session`, a hash of the session's
    key.
    """

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        user: Any = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            info.user = user
        info.values["session"] = session_of(request).hash


class Djangoi18nMiddleware(InfoMiddleware):
    """The language and the time zone that are active."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["language"] = translation.get_language() or ""
        info.values["time_zone"] = timezone.get_current_timezone_name()


class BrowserMiddleware(InfoMiddleware):
    """The browser: `user_agent`, and the `address` of the client as Django sees it."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["user_agent"] = str(request.META.get("HTTP_USER_AGENT") or "")[:_LONGEST]
        info.values["address"] = str(request.META.get("REMOTE_ADDR") or "")[:_LONGEST]
