"""The HTTP endpoints. Their names are those of versions 0.1 and 2 to 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from ..legacy.auth_view import instant_auth
    from .auth import login_and_get_tokens, logout
    from .demo_frontend import frontend, frontend_labels
    from .proxies import rpc
    from .tokens import channels_subscription, get_connection_token

__all__ = [
    "channels_subscription",
    "frontend",
    "frontend_labels",
    "get_connection_token",
    "instant_auth",
    "login_and_get_tokens",
    "logout",
    "rpc",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "..legacy.auth_view": ("instant_auth",),
        ".auth": ("login_and_get_tokens", "logout"),
        ".demo_frontend": ("frontend", "frontend_labels"),
        ".proxies": ("rpc",),
        ".tokens": ("channels_subscription", "get_connection_token"),
    },
)
