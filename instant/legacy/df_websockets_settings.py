"""The settings of df_websockets that are read where ours are not set. Dropped in django-instant 6.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MIDDLEWARES = ("WindowKeyMiddleware", "DjangoAuthMiddleware", "Djangoi18nMiddleware", "BrowserMiddleware")
#: Where things are now that these settings name.
_MOVED = {
    "df_websockets.topics.serialize_topic": "instant.windows.topics.serialize_topic",
    **{f"df_websockets.ws_middleware.{name}": f"instant.windows.middlewares.{name}" for name in _MIDDLEWARES},
}


class DfWebsocketsSettings:
    """The settings of df_websockets by their names there; see the INSTANT_ ones for what they mean."""

    WEBSOCKET_SIGNAL_ENCODER: str | None = None
    WEBSOCKET_TOPIC_SERIALIZER: str | None = None
    WINDOW_INFO_MIDDLEWARES: Sequence[Any] | None = None


def current_path(path: str) -> str:
    """Return where the thing is now that `path` names in df_websockets; another path as it is."""
    return _MOVED.get(path, path)
