"""The import path of the tokens in versions before 5; see `instant.access.tokens`."""

from .access.tokens import channel_token, connection_claims, connection_token

__all__ = ["channel_token", "connection_claims", "connection_token"]
