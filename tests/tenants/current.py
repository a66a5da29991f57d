"""Which tenant is current, as a site keeps it: by the host name of a request, in a context variable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest

NAMES = ("acme", "beta")
_current: ContextVar[str | None] = ContextVar("tenant", default=None)


def name() -> str | None:
    """INSTANT_TENANT."""
    return _current.get()


@contextmanager
def entered(tenant: str) -> Iterator[None]:
    """INSTANT_TENANT_CONTEXT."""
    if tenant not in NAMES:
        raise LookupError(f"there is no tenant {tenant!r}")
    token = _current.set(tenant)
    try:
        yield
    finally:
        _current.reset(token)


class Middleware:
    """acme.localhost is the tenant acme; at another host there is none."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        tenant = request.get_host().partition(".")[0]
        if self.is_async:
            return self._later(request, tenant)
        if tenant not in NAMES:
            return self.get_response(request)
        with entered(tenant):
            return self.get_response(request)

    async def _later(self, request: HttpRequest, tenant: str) -> Any:
        if tenant not in NAMES:
            return await self.get_response(request)
        with entered(tenant):
            return await self.get_response(request)


class Router:
    """Every table is in the tenant's own database."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        tenant = name()
        if tenant is None:
            raise LookupError(f"{model.__name__} was asked for outside of a tenant")
        return tenant

    db_for_write = db_for_read
