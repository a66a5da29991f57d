"""What is known of one page while it is made, and the positions that are taken for it.

All of it hangs on the request. Nothing here breaks a page: one that the database or the websockets server fails is
shown without being live, or asks get_token for what it lacks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import Error, connections, transaction
from django.http import HttpRequest

from .. import access
from ..centrifugo.positions import Position, apositions, positions
from ..token import user_id

logger = logging.getLogger("instant")
Known = TypeVar("Known")


@dataclass
class Page:
    """The state of a page that is being made."""

    #: Where channels stood when their data may have been read first, as far as the server told.
    positions: dict[str, Position] = field(default_factory=dict)
    #: Channels that `{% instant_stream %}` names.
    streams: list[str] = field(default_factory=list)
    #: Whether `{% instant_client %}` has been rendered: it is once a page.
    rendered: bool = False
    #: Whether a middleware or decorator will fill the page: else positions would be taken for nothing.
    fills: bool = False
    #: Channels that the server was asked for: the earliest position is the one that counts.
    asked: set[str] = field(default_factory=set)
    #: The names that `channels_at` found, and for whom.
    found: tuple[str, list[str]] | None = None


def page_of(request: HttpRequest) -> Page:
    """Return the state of the page that answers `request`."""
    bare: Any = getattr(request, "_request", request)  # Django REST framework wraps it
    page: Page | None = getattr(bare, "instant_page", None)
    if page is None:
        page = bare.instant_page = Page()
    return page


def user_of(request: HttpRequest) -> Any:
    """Return the request's user; without Django's auth middleware, everyone is a visitor."""
    if getattr(request, "user", None) is None:
        request.user = AnonymousUser()  # for all who are handed the request later
    return request.user


def safely(read: Callable[[], Known], otherwise: Known) -> Known:
    """Return what `read` gets from the database, or `otherwise`: the page is worth more.

    A failed query would spoil the transactions that the view is in, and silently undo what it wrote: hence savepoints.
    """
    try:
        with ExitStack() as savepoints:
            for connection in connections.all(initialized_only=True):
                if connection.in_atomic_block:
                    savepoints.enter_context(transaction.atomic(using=connection.alias))
            return read()
    except Error as error:
        logger.warning("a page is not live, the database fails: %s", error)
        return otherwise


def channels_at(request: HttpRequest) -> list[str]:
    """Return the names of the channels that the user joins at this path; asked of the database once a request."""
    return safely(lambda: _channels_at(request), [])


def _channels_at(request: HttpRequest) -> list[str]:
    page, user = page_of(request), user_of(request)
    who = user_id(user)
    if page.found is None or page.found[0] != who:  # the view may have logged someone in since
        page.found = who, [found.name for found in access.channels_for(user, request.path)]
    return page.found[1]


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
    return channels_at(request) if channels is None else channels


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
