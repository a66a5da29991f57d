"""mark(): take the positions of a page's channels before its data is read, so that the page misses nothing."""

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
    """Remember where the user's channels, or just these, stand: the page joins there.

    Call it before the view reads what it shows. Of several calls, the first counts for each channel.
    """
    take(request, _to_mark(request, channels))


async def amark(request: HttpRequest, channels: Iterable[str] | None = None) -> None:
    """Do what `mark` does, on the running event loop."""
    names = _new(page_of(request), await sync_to_async(_to_mark)(request, channels))
    if names:
        page_of(request).positions.update(await apositions(names))


def _to_mark(request: HttpRequest, channels: Iterable[str] | None) -> Iterable[str]:
    if isinstance(channels, str):
        raise TypeError(f"channels is a list of names, not the name {channels!r}")
    if not page_of(request).fills:
        _tell_that_nothing_fills()
        return []
    return names_at(request) if channels is None else channels


@cache  # once is enough
def _tell_that_nothing_fills() -> None:
    logger.warning(
        "instant.mark() changes nothing: add instant.middleware.InstantMiddleware to MIDDLEWARE, or decorate the view "
        "with @instant.live"
    )


def take(request: HttpRequest, names: Iterable[str]) -> None:
    """Take the positions of those channels that were not asked for yet."""
    page = page_of(request)
    if new := _new(page, names):
        page.positions.update(positions(new))


def take_if_used(request: HttpRequest, names: Iterable[str]) -> None:
    """Take them while a template is rendered: if the page will be filled, and not where it would hold up an event loop
    (there `fill` does it later, in a thread)."""
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
