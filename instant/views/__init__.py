"""The HTTP doors; the names are those of versions 2 to 4, and 0.1."""

from .auth import login_and_get_tokens, logout
from .auth_v1 import instant_auth
from .frontend import frontend, frontend_labels
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
