"""The import path of the middleware for MIDDLEWARE: `instant.middleware.InstantMiddleware`."""

from .pages.middleware import InstantMiddleware

__all__ = ["InstantMiddleware"]
