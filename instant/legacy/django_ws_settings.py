"""The setting of django-ws that is read beside INSTANT_SOCKET_HANDLERS. Dropped in django-instant 6.0."""

from __future__ import annotations

from collections.abc import Mapping


class DjangoWsSettings:
    """The setting of django-ws: names of handlers to dotted paths."""

    WEBSOCKET_HANDLERS: Mapping[str, str] = {}
