"""The window of a page: the channels and tokens that a page gets for it, and the text that it sends to get_token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from .. import features
from ..access import topic_rights
from ..access.rights import rights_fingerprint
from ..access.session_binding import bound_meta, session_of
from ..channels.user_ids import user_of
from . import topics

if TYPE_CHECKING:
    from ..channels.user_ids import User


@dataclass(frozen=True)
class Given:
    """The window's part of the credentials: its channels, the `meta` of its connection, and the signed text that
    restores both.
    """

    channels: tuple[str, ...] = ()
    meta: dict[str, Any] | None = None
    #: None if there is no valid text.
    blob: str | None = None
    #: What the tokens of these channels contain, see `access.topic_rights`.
    info: dict[str, Any] = field(default_factory=dict)
    #: Channels that are as new as the page: nothing was published in them before.
    fresh: frozenset[str] = field(default_factory=frozenset)


def of_page(request: HttpRequest) -> Given | None:
    """Return the window of the page for `request`, or None if windows are not in use."""
    if not features.in_use().windows:
        return None
    window, user, session = topics.window_of(request), user_of(request), session_of(request).hash
    rights = rights_fingerprint(user)
    blob = topics.signed(window, owner(user), session, rights)
    own = topics.own_channel(window.key)
    fresh = frozenset([own] if own else [])
    return Given(window.channels, bound_meta(user, session, window.key, rights), blob, _info(window), fresh)


def of_blob(request: HttpRequest, blob: str) -> Given:
    """Return the window from the signed text that a page of this user and session received earlier, or an empty one.

    The text is valid for the rights that the user had. The page must be rendered again if these rights have changed, if
    the permission of its topics denies, or if one of its topics was rechecked.
    """
    user = user_of(request)
    rights = rights_fingerprint(user)
    # A visitor may have got a session since then. A window that began without a session is not bound to one.
    for session in dict.fromkeys([session_of(request).hash, ""]):
        window = topics.read(blob, owner(user), session, rights)
        if window is not None and topic_rights.holds(user, _info(window), window.channels):
            return Given(window.channels, bound_meta(user, session, window.key, rights), blob, _info(window))
    return Given()


def _info(window: topics.Window) -> dict[str, Any]:
    return topic_rights.shown(window.since, window.guard)


def topics_of(request: HttpRequest) -> list[str]:
    """Return the channels of the topics that the view has set so far.

    The window's own channel is left out: it is new, so no message can be missed in it.
    """
    if not features.in_use().windows:
        return []
    window = topics.window_of(request)
    own = topics.own_channel(window.key)
    return [name for name in window.channels if name != own]


def owner(user: User) -> str:
    """Return the id that binds a window to its user: the pk, because usernames may be reused. "" for visitors."""
    return str(user.pk) if user.is_authenticated else ""
