"""The state of one page while it is rendered, kept on the request.

Errors do not break a page: if the database fails, the page is shown without being live.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import Error
from django.http import HttpRequest

from ..access import channel_access
from ..access.channel_access import Offer
from ..centrifugo.history_positions import Position
from ..channels.user_ids import user_id, user_of
from ..in_savepoints import in_savepoints

logger = logging.getLogger("instant")


@dataclass
class Page:
    """The state of a page that is being rendered."""

    #: The positions of channels before their data may have been read, as far as the server reported them.
    positions: dict[str, Position] = field(default_factory=dict)
    #: Channels that `{% instant_stream %}` names.
    streams: list[str] = field(default_factory=list)
    #: Whether `{% instant_client %}` has been rendered; it is rendered once in a page.
    rendered: bool = False
    #: Whether a middleware or decorator will fill the page. Otherwise positions would be useless.
    fills: bool = False
    #: Channels whose positions were read. The earliest position counts.
    asked: set[str] = field(default_factory=set)
    #: The channels that the user may join, and that user's id.
    offers: tuple[str, list[Offer]] | None = None


def page_of(request: HttpRequest) -> Page:
    """Return the state of the page for `request`."""
    bare: Any = getattr(request, "_request", request)  # Django REST framework wraps it
    page: Page | None = getattr(bare, "instant_page", None)
    if page is None:
        page = bare.instant_page = Page()
    return page


@contextmanager
def without_database_errors() -> Iterator[None]:
    """End the block if the database fails, and log it: the page is more important than being live."""
    try:
        with in_savepoints():
            yield
    except Error as error:
        logger.warning("a page is not live, the database fails: %s", error)


def offers_of(request: HttpRequest) -> list[Offer]:
    """Return the channels that the request's user may join. The database is read once per request.

    Raises:
        django.db.Error: the database fails.
    """
    page, user = page_of(request), user_of(request)
    sub = user_id(user)
    if page.offers is None or page.offers[0] != sub:  # the view may have logged someone in since
        page.offers = sub, channel_access.offers_to(user)
    return page.offers[1]


def names_at(request: HttpRequest) -> list[str]:
    """Return the names of the channels that the user joins at this path; none if the database fails."""
    names: list[str] = []
    with without_database_errors():
        names += (channel.name for channel in channel_access.at_path(offers_of(request), request.path))
    return names
