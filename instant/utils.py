"""The import path of `signed_response` in version 0.1, for custom auth views."""

from .legacy.auth_view import signed_response

__all__ = ["signed_response"]
