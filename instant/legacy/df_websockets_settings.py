"""The settings of df_websockets, which are read if ours are not set. Removed in django-instant 6.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MIDDLEWARES = ("WindowKeyMiddleware", "DjangoAuthMiddleware", "Djangoi18nMiddleware", "BrowserMiddleware")
#: The current paths of objects that these settings name.
_MOVED = {
    "df_websockets.topics.serialize_topic": "instant.windows.topics.serialize_topic",
    **{f"df_websockets.ws_middleware.{name}": f"instant.windows.middlewares.{name}" for name in _MIDDLEWARES},
}


class DfWebsocketsSettings:
    """The settings of df_websockets. The INSTANT_ settings of `instant.conf.settings` document their meaning."""

    WEBSOCKET_SIGNAL_ENCODER: str | None = None
    WEBSOCKET_TOPIC_SERIALIZER: str | None = None
    WINDOW_INFO_MIDDLEWARES: Sequence[Any] | None = None


def current_path(path: str) -> str:
    """Return the current path of an object of df_websockets. Return other paths unchanged."""
    return _MOVED.get(path, path)
