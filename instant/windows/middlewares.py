"""What a WindowInfo knows, part by part: the setting INSTANT_WINDOW_INFO_MIDDLEWARES lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils import timezone, translation

from .keys import session_of, window_key

if TYPE_CHECKING:
    from .info import WindowInfo

#: Nobody's browser sends more; a queue should not carry it.
_LONGEST = 500


class InfoMiddleware:
    """One part: write it into `info.values`, under names of your own, as what JSON can hold.

    Values are attributes of the info, and go with it through queues.
    """

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        """Take from the request what the part knows; the request of a call has the browser's headers at most."""


class WindowKeyMiddleware(InfoMiddleware):
    """The window: `window_key`."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["window_key"] = window_key(request)


class DjangoAuthMiddleware(InfoMiddleware):
    """The user: `user_id`, `username`, and what is read again of both; `session`, a hash of the session's key."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        user: Any = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            info.user = user
        info.values["session"] = session_of(request)


class Djangoi18nMiddleware(InfoMiddleware):
    """The language and the time zone that are active."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["language"] = translation.get_language() or ""
        info.values["time_zone"] = timezone.get_current_timezone_name()


class BrowserMiddleware(InfoMiddleware):
    """The browser: `user_agent`, and the `address` that reached Django."""

    def from_request(self, request: HttpRequest, info: WindowInfo) -> None:
        info.values["user_agent"] = str(request.META.get("HTTP_USER_AGENT") or "")[:_LONGEST]
        info.values["address"] = str(request.META.get("REMOTE_ADDR") or "")[:_LONGEST]
