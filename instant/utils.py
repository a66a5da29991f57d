"""`signed_response`, under the path that custom auth views of version 0.1 import."""

from .legacy.auth_view import signed_response

__all__ = ["signed_response"]
