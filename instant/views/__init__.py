"""The HTTP doors; the names are those of versions 2 to 4."""

from .auth import login_and_get_tokens, logout
from .tokens import channels_subscription, get_connection_token

__all__ = ["channels_subscription", "get_connection_token", "login_and_get_tokens", "logout"]
