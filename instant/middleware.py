"""`instant.middleware.InstantMiddleware`, as MIDDLEWARE names it; see `instant.pages.middleware`."""

from .pages.middleware import InstantMiddleware

__all__ = ["InstantMiddleware"]
