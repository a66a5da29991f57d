"""The window of a page: what a page is given for it, and gets again from get_token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from .. import features
from ..token import user_id, window_meta
from .answers import Refused
from .page import page_of, user_of

if TYPE_CHECKING:
    from ..windows.topics import Window

#: Characters of a blob: one of INSTANT_MAX_TOPICS topics has some 10,000.
MAX_BLOB = 64 * 1024


@dataclass(frozen=True)
class Given:
    """A window as it is in credentials: its channels, the `meta` of its connection, and the blob that brings both
    back."""

    channels: tuple[str, ...] = ()
    meta: dict[str, Any] | None = None
    #: None stands for a blob that fits nobody, or another.
    blob: str | None = None
    #: The channels that are as new as the page: nothing was published there before.
    fresh: frozenset[str] = field(default_factory=frozenset)


def of_page(request: HttpRequest) -> Given | None:
    """Return the window of the page that answers `request`; None on a site without windows."""
    if not features.uses_windows():
        return None
    from ..windows import keys, topics

    window, user, session = topics.window_of(request), user_of(request), keys.session_of(request)
    blob = topics.signed(window, user_id(user), session)
    own = topics.own_channel(window.key)
    fresh = frozenset([own] if own else [])
    return Given(window.channels, window_meta(user, window.key, session), blob, fresh)


def of_blob(request: HttpRequest, blob: str) -> Given:
    """Return the window of a page that `request`'s user was given before in this session, else one of nothing."""
    from ..windows import keys, topics

    user = user_of(request)
    # A visitor's session may have begun since, and one without a session could be anybody's anyway.
    for session in dict.fromkeys([keys.session_of(request), ""]):
        window: Window | None = topics.read(blob, user_id(user), session)
        if window is not None:
            return Given(window.channels, window_meta(user, window.key, session), blob)
    return Given()


def topics_of(request: HttpRequest) -> list[str]:
    """Return the channels of the page's topics, as far as the view has named them by now: without its own window's, in
    which nothing can be missed."""
    if not features.uses_windows() or not page_of(request).fills:
        return []
    from ..windows import topics

    window = topics.window_of(request)
    own = topics.own_channel(window.key)
    return [name for name in window.channels if name != own]


def blob_in(content: dict[str, Any]) -> str | None:
    """Return the blob of a request for tokens, if it has one.

    Raises:
        Refused: it is no text, or too long.
    """
    blob = content.get("window")
    if blob is not None and (not isinstance(blob, str) or len(blob) > MAX_BLOB):
        raise Refused(400, "invalid_window", "window must be what the page was given")
    return blob
