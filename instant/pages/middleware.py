"""`instant.middleware.InstantMiddleware`: fills the pages of the whole site with credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..windows.window_keys import began
from .filling import fill, is_fillable
from .page_state import page_of


class InstantMiddleware:
    """Puts each user's credentials into the pages that have `{% instant_client %}`.

    Put it at the end of MIDDLEWARE, or right before UpdateCacheMiddleware if the whole site is cached.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        page_of(request).fills = True
        began(request)
        if self.is_async:
            return self._filled(request)
        response: HttpResponseBase = self.get_response(request)
        return fill(request, response)

    async def _filled(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        # Most responses are not fillable pages, and need no thread.
        return await sync_to_async(fill)(request, response) if is_fillable(response) else response
