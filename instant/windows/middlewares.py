"""The middlewares that fill a WindowInfo. The setting INSTANT_WINDOW_INFO_MIDDLEWARES lists them."""

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

#: The maximum length of a value in characters, so that queued calls stay small. Browsers send shorter ones.
_LONGEST = 500


class WindowKeyMiddleware(InfoMiddleware):
    """Sets `window_key`."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["window_key"] = window_key(request)


class DjangoAuthMiddleware(InfoMiddleware):
    """Sets `user_id`, `username`, `user`, and `session`, which is a hash of the session's key."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        user: Any = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            info.user = user
        info.values["session"] = session_of(request).hash


class Djangoi18nMiddleware(InfoMiddleware):
    """Sets `language` and `time_zone` to the active ones."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["language"] = translation.get_language() or ""
        info.values["time_zone"] = timezone.get_current_timezone_name()


class BrowserMiddleware(InfoMiddleware):
    """Sets `user_agent`, and `address`, the client's address as Django sees it."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["user_agent"] = str(request.META.get("HTTP_USER_AGENT") or "")[:_LONGEST]
        info.values["address"] = str(request.META.get("REMOTE_ADDR") or "")[:_LONGEST]
