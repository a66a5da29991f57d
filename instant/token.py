"""The import path of the token functions in versions before 5. See `instant.access.tokens`."""

from .access.tokens import channel_token, connection_claims, connection_token

__all__ = ["channel_token", "connection_claims", "connection_token"]
