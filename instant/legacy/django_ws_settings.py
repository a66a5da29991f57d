"""The setting of django-ws that is read in addition to INSTANT_SOCKET_HANDLERS. Removed in django-instant 6.0."""

from __future__ import annotations

from collections.abc import Mapping


class DjangoWsSettings:
    """The setting of django-ws: socket handlers, names to dotted paths."""

    WEBSOCKET_HANDLERS: Mapping[str, str] = {}
