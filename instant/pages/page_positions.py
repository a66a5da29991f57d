"""mark(): reads the positions of a page's channels before the view reads its data, so that no message is missed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from functools import cache

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from ..centrifugo.history_positions import apositions, positions
from .page_state import Page, names_at, page_of

logger = logging.getLogger("instant")


def mark(request: HttpRequest, channels: Iterable[str] | None = None) -> None:
    """Record the current positions of these channels, or of all channels of the user.

    The page joins each channel at its position, and so receives all later messages. Call this before the view reads its
    data. If you call it several times, each channel keeps its first position.

    Raises:
        TypeError: `channels` is a single name.
    """
    take(request, _to_mark(request, channels))


async def amark(request: HttpRequest, channels: Iterable[str] | None = None) -> None:
    """Do what `mark` does, on the running event loop."""
    names = _new(page_of(request), await sync_to_async(_to_mark)(request, channels))
    if names:
        page_of(request).positions.update(await apositions(names))


def _to_mark(request: HttpRequest, channels: Iterable[str] | None) -> Iterable[str]:
    if isinstance(channels, str):
        raise TypeError(f"channels must be a list of names, not the name {channels!r}")
    if not page_of(request).fills:
        _warn_that_nothing_fills()
        return []
    return names_at(request) if channels is None else channels


@cache  # so that it is logged only once
def _warn_that_nothing_fills() -> None:
    logger.warning(
        "instant.mark() has no effect, because nothing puts the positions into the page. Add "
        "instant.middleware.InstantMiddleware to MIDDLEWARE, or decorate the view with @instant.live."
    )


def take(request: HttpRequest, names: Iterable[str]) -> None:
    """Read the positions of those channels whose positions were not read yet."""
    page = page_of(request)
    if new := _new(page, names):
        page.positions.update(positions(new))


def take_if_used(request: HttpRequest, names: Iterable[str]) -> None:
    """Read the positions while a template is rendered.

    In an event loop this would block, so `fill` reads them later in a thread. If no middleware or decorator fills the
    page, positions are not needed.
    """
    if page_of(request).fills and not _in_event_loop():
        take(request, names)


def _new(page: Page, names: Iterable[str]) -> list[str]:
    new = [name for name in dict.fromkeys(names) if name not in page.asked]
    page.asked.update(new)
    return new


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
