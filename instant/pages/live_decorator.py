"""live(): a decorator for views of live pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isawaitable
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest

from .filling import fill, is_fillable
from .page_positions import amark, mark
from .page_state import Page, page_of

View = TypeVar("View", bound=Callable[..., Any])


def live(view: View) -> View:
    """Record the positions of the user's channels before the view reads its data, and fill the page with credentials.

    It works for sync and async views, and for classes with `method_decorator(live, name="dispatch")`. Put it outside
    `cache_page`. If InstantMiddleware is installed, the middleware fills the page.

    Raises:
        TypeError: the view was called without a request.
    """
    return _async_live(view) if _is_async(view) else _sync_live(view)


def _sync_live(view: View) -> View:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        page = _page_of_view(request)
        filled_outside, page.fills = page.fills, True
        mark(request)
        response = view(request, *args, **kwargs)
        return response if filled_outside else fill(request, response)

    return wrapped  # type: ignore[return-value]


def _async_live(view: View) -> View:
    @wraps(view)
    async def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        page = _page_of_view(request)
        filled_outside, page.fills = page.fills, True
        await amark(request)
        response = view(request, *args, **kwargs)
        if isawaitable(response):
            response = await response
        if filled_outside or not is_fillable(response):
            return response
        return await sync_to_async(fill)(request, response)

    return wrapped  # type: ignore[return-value]


def _is_async(view: Callable[..., Any]) -> bool:
    """Report whether the view is async.

    The `dispatch` method of a class with async methods returns a coroutine, but is not a coroutine function.
    """
    bound = getattr(view, "func", view)  # method_decorator passes a partial of the bound method
    return iscoroutinefunction(view) or bool(getattr(getattr(bound, "__self__", None), "view_is_async", False))


def _page_of_view(request: object) -> Page:
    if not hasattr(request, "META"):
        raise TypeError(
            "live() got no request as the first argument. Decorate a method with @method_decorator(live), and a class "
            'with @method_decorator(live, name="dispatch").'
        )
    return page_of(request)  # type: ignore[arg-type]
