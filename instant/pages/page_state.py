"""The state of one page while it is rendered, stored on the request.

Errors do not break a page: if the database fails, the page is shown, but is not live.
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
    """The state of a page while it is rendered."""

    #: The positions of channels from before the page's data was read, as far as the server returned them.
    positions: dict[str, Position] = field(default_factory=dict)
    #: Channels of `{% instant_stream %}` tags.
    streams: list[str] = field(default_factory=list)
    #: Whether `{% instant_client %}` has been rendered. Other tags on the page then render nothing.
    rendered: bool = False
    #: Whether the middleware or decorator will fill the page. Otherwise positions would be useless.
    fills: bool = False
    #: Channels whose positions were requested. The first position counts.
    asked: set[str] = field(default_factory=set)
    #: The user's id in Centrifugo, and the channels that this user may join.
    offers: tuple[str, list[Offer]] | None = None


def page_of(request: HttpRequest) -> Page:
    """Return the state of the page for `request`. It is created at first use."""
    bare: Any = getattr(request, "_request", request)  # Django REST framework wraps it
    page: Page | None = getattr(bare, "instant_page", None)
    if page is None:
        page = bare.instant_page = Page()
    return page


@contextmanager
def without_database_errors() -> Iterator[None]:
    """Run the block. If the database fails, log the error and end the block, because the page matters more than being
    live.
    """
    try:
        with in_savepoints():
            yield
    except Error as error:
        logger.warning("a page is not live, because the database failed: %s", error)


def offers_of(request: HttpRequest) -> list[Offer]:
    """Return the channels that the request's user may join. They are read once per request.

    Raises:
        django.db.Error: the database fails.
    """
    page, user = page_of(request), user_of(request)
    sub = user_id(user)
    if page.offers is None or page.offers[0] != sub:  # the view may have logged a user in or out
        page.offers = sub, channel_access.offers_to(user)
    return page.offers[1]


def names_at(request: HttpRequest) -> list[str]:
    """Return the names of the channels that the user joins at this path, or an empty list if the database fails."""
    names: list[str] = []
    with without_database_errors():
        names += (channel.name for channel in channel_access.at_path(offers_of(request), request.path))
    return names
