"""What is known of one page while it is made. All of it hangs on the request.

Nothing here breaks a page: where the database fails, the page is shown without being live.
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
    #: What the user may join, and that user's id.
    offers: tuple[str, list[Offer]] | None = None


def page_of(request: HttpRequest) -> Page:
    """Return the state of the page that answers `request`."""
    bare: Any = getattr(request, "_request", request)  # Django REST framework wraps it
    page: Page | None = getattr(bare, "instant_page", None)
    if page is None:
        page = bare.instant_page = Page()
    return page


@contextmanager
def without_database_errors() -> Iterator[None]:
    """Let the block end where the database fails, and log it: the page is worth more than being live."""
    try:
        with in_savepoints():
            yield
    except Error as error:
        logger.warning("a page is not live, the database fails: %s", error)


def offers_of(request: HttpRequest) -> list[Offer]:
    """Return what the request's user may join; the database is asked once a request.

    Raises:
        django.db.Error: the database fails.
    """
    page, user = page_of(request), user_of(request)
    sub = user_id(user)
    if page.offers is None or page.offers[0] != sub:  # the view may have logged someone in since
        page.offers = sub, channel_access.offers_to(user)
    return page.offers[1]


def names_at(request: HttpRequest) -> list[str]:
    """Return the names of the channels that the user joins at this path; none where the database fails."""
    names: list[str] = []
    with without_database_errors():
        names += (channel.name for channel in channel_access.at_path(offers_of(request), request.path))
    return names
