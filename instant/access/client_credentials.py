"""The credentials with which a user's client connects and joins channels.

They are the response of login and get_token, and are also written into pages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urlsplit, urlunsplit

from django.core.exceptions import PermissionDenied

from .. import protocol
from ..channels.namespaces import is_strict
from ..channels.user_ids import user_id
from ..conf.settings import conf
from .channel_access import Access, Offer, allowed_in_time, at_path, may_connect, offers_to
from .known_rights import note_rights
from .rights import RIGHTS, SHOWN_RIGHTS, rights_fingerprint, shown_rights
from .session_binding import bound_meta
from .tokens import channel_token_for, connection_token

if TYPE_CHECKING:
    from ..channels.user_ids import User

logger = logging.getLogger("instant")

#: The reason for a refused channel. It is the same if the channel does not exist, so that names cannot be probed.
NOT_ALLOWED = "you may not join this channel, or it does not exist"
#: How many seconds the rules of one request may take. The number of calls is not limited, because a page may need the
#: rules of all channels that one request may name.
RULES_SECONDS = 5.0
#: The reason for a channel whose rule was not called because of this limit.
TOO_LATE = (
    f"the rules of the other channels took {RULES_SECONDS:g} seconds: request fewer channels at once, and try again"
)


class _Channel(TypedDict):
    name: str
    level: str


class ChannelCredentials(_Channel, total=False):
    """A channel, and the token with which the client joins it.

    A strict channel has no token if the request does not contain the id of the client's connection.
    """

    token: str
    strict: bool


class Refusal(TypedDict):
    """A channel that was requested and refused."""

    name: str
    reason: str


class Credentials(TypedDict):
    """The credentials of a client: the response of login and get_token without the CSRF token, which belongs to a
    request.
    """

    ws_token: str
    websocket_url: str
    channels: list[ChannelCredentials]
    refused: list[Refusal]


def credentials(
    user: User,
    channels: Iterable[str] | None = None,
    *,
    path: str | None = None,
    websocket_url: str | None = None,
    page_channels: Iterable[str] = (),
    meta: dict[str, Any] | None = None,
    client: str | None = None,
) -> Credentials:
    """Return the credentials of a user's client as JSON-serializable data, for a view of your own (DRF, mobile).

    With `channels`, they contain the tokens of these channels only. Channels that the user may not join are in
    `refused`. Channels whose rules were not called within 5 seconds are in `refused`, too, with that reason. Without
    `channels`, they contain all channels of the user, or with `path` those that the page at this path joins.

    Without `meta`, the connection token is not bound to a session. After a log-out it remains valid, for
    INSTANT_TOKEN_TTL seconds at most. It is bound to the user and the password.

    `client` is the id of the client's connection. Without it, strict channels have no tokens. `page_channels` and
    `meta` are for a page's window (see `instant.windows.page_window`): they come from a text that Django has signed.
    Access to `page_channels` is not checked here. Centrifugo sends `meta` to Django with each call and each socket.

    The result contains secrets: send it with `Cache-Control: no-store`.

    Raises:
        PermissionDenied: the user may not connect.
        TypeError: `channels` is a string instead of a list.
        InvalidChannel: with its tenant, a channel's name is too long.
        InvalidSetting: a setting has a wrong value.
    """
    return credentials_from(
        offers_to(user),
        user,
        channels,
        path=path,
        websocket_url=websocket_url,
        page_channels=page_channels,
        meta=meta,
        client=client,
    )


def credentials_from(
    offers: Iterable[Offer],
    user: User,
    channels: Iterable[str] | None = None,
    *,
    path: str | None = None,
    websocket_url: str | None = None,
    page_channels: Iterable[str] = (),
    page_info: Mapping[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    expires_in: int | None = None,
    client: str | None = None,
) -> Credentials:
    """Do the same as `credentials`, for a user whose offers were read already.

    `page_info` is added to the `info` of the tokens of `page_channels`. The connection token is valid for `expires_in`
    seconds, or for INSTANT_TOKEN_TTL seconds if that is less.

    Raises:
        PermissionDenied: the user may not connect.
        TypeError: `channels` is a string instead of a list.
        InvalidChannel: with its tenant, a channel's name is too long.
        InvalidSetting: a setting has a wrong value.
    """
    if not may_connect(user):
        raise PermissionDenied("log in to get a token")
    if isinstance(channels, str):
        raise TypeError(f"channels is {channels!r}, which is a string; pass a list of names")
    asked = None if channels is None else list(dict.fromkeys(channels))
    late: list[str] = []
    if asked is None:
        found = at_path(offers, path)
    else:
        allowed, late = allowed_in_time(offers, user, asked, RULES_SECONDS)
        found = list(allowed.values())
    if late:
        logger.warning(
            "%d channels were refused, because the rules of the other channels took %g seconds",
            len(late),
            RULES_SECONDS,
        )
    meta = bound_meta(user) if meta is None else meta
    rights = str(meta.get(RIGHTS) or "")
    note_rights(user, rights or rights_fingerprint(user))
    found += _of_page((name for name in page_channels if asked is None or name in asked), rights, page_info or {})
    given, unasked = {access.name for access in found}, set(late)
    return {
        "ws_token": connection_token(user, meta=meta, expires_in=expires_in),
        "websocket_url": websocket_url or default_websocket_url(),
        "channels": channel_credentials(user, found, client),
        "refused": [
            {"name": name, "reason": TOO_LATE if name in unasked else NOT_ALLOWED}
            for name in asked or ()
            if name not in given
        ],
    }


def _of_page(names: Iterable[str], rights: str, page_info: Mapping[str, Any]) -> list[Access]:
    """Return the access to a page's channels. Their tokens contain the user's rights at the time of the view."""
    info = {**({SHOWN_RIGHTS: shown_rights(rights)} if rights else {}), **page_info}
    return [Access(name, protocol.PAGE, {"info": info} if info else None) for name in names]


def channel_credentials(user: User, found: Iterable[Access], client: str | None = None) -> list[ChannelCredentials]:
    """Return these channels with their tokens.

    The caller must have checked that `user` may join them. `client` is the id of the connection. Without it, strict
    channels have no tokens.

    Raises:
        InvalidChannel: with its tenant, a channel's name is too long.
    """
    sub = user_id(user)
    return [_channel_credentials(sub, access, client) for access in found]


def _channel_credentials(sub: str, access: Access, client: str | None) -> ChannelCredentials:
    known: ChannelCredentials = {"name": access.name, "level": access.level}
    strict = is_strict(access.name)
    if strict:
        known["strict"] = True
    if client or not strict:
        known["token"] = channel_token_for(sub, access.name, access.claims, client)
    return known


def default_websocket_url() -> str:
    """Return the websocket URL for browsers when no request's host is known.

    It is INSTANT_WEBSOCKET_URL, or otherwise the address that Django itself uses.

    Raises:
        InvalidSetting: CENTRIFUGO_HOST or CENTRIFUGO_PORT has a wrong value.
    """
    if conf.INSTANT_WEBSOCKET_URL:
        return conf.INSTANT_WEBSOCKET_URL
    # CENTRIFUGO_HOST may contain a password, which only Django may know.
    url = urlsplit(conf.server_url.replace("http", "ws", 1))
    return urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))
