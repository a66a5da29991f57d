"""The credentials with which a user's client connects and joins channels: the response of login and get_token, also in
pages.
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

#: Why a channel is refused. It is the same text if the channel does not exist, so that names cannot be probed.
NOT_ALLOWED = "you may not join this channel, or it does not exist"
#: Seconds that the rules of one request may take. This limits the time and not the number of calls, because a page may
#: join as many channels by rule as one request may name.
RULES_SECONDS = 5.0
#: Why a channel is refused whose rule was not called because of this limit.
TOO_LATE = f"the rules of the other channels took {RULES_SECONDS:g} seconds: ask again, for fewer channels at once"


class _Channel(TypedDict):
    name: str
    level: str


class ChannelCredentials(_Channel, total=False):
    """A channel and the token that joins it. A strict channel has none until the client sends its connection's id."""

    token: str
    strict: bool


class Refusal(TypedDict):
    """A channel that was requested and refused."""

    name: str
    reason: str


class Credentials(TypedDict):
    """What a client needs: the response of login and get_token without the CSRF token, which belongs to a request."""

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
    """Return the credentials for `user`'s client as JSON-serializable data, for a view of your own (DRF, mobile).

    With `channels`, they have tokens for these names only; channels that the user may not join are in `refused`.
    Channels whose rules were not called within 5 seconds are refused, too, with that reason. Without `channels`, they
    have all channels of the user, or with `path` those of that page.

    `page_channels` are added without a check, and `meta` is passed to Centrifugo's proxies: both come from a page that
    Django signed (see `instant.windows.page_window`). `client` is the id of the client's connection; without it strict
    channels have no tokens.

    The result contains secrets: send it with `Cache-Control: no-store`.

    Raises:
        PermissionDenied: the user may not connect.
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
    """Do what `credentials` does, for a user whose offers have been read.

    Raises:
        PermissionDenied: the user may not connect.
    """
    if not may_connect(user):
        raise PermissionDenied("log in to get a token")
    if isinstance(channels, str):
        raise TypeError(f"channels is a list of names, not the name {channels!r}")
    asked = None if channels is None else list(dict.fromkeys(channels))
    late: list[str] = []
    if asked is None:
        found = at_path(offers, path)
    else:
        allowed, late = allowed_in_time(offers, user, asked, RULES_SECONDS)
        found = list(allowed.values())
    if late:
        logger.warning("%d channels were refused: the rules of the others took %g seconds", len(late), RULES_SECONDS)
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
    """Return the access to a page's channels. Their tokens contain the rights for which a view gave them to it."""
    info = {**({SHOWN_RIGHTS: shown_rights(rights)} if rights else {}), **page_info}
    return [Access(name, protocol.PAGE, {"info": info} if info else None) for name in names]


def channel_credentials(user: User, found: Iterable[Access], client: str | None = None) -> list[ChannelCredentials]:
    """Return the tokens of channels that the caller has just found to be allowed for `user`. `client` is the id of the
    connection.
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
    """Return the address that browsers use if there is no request whose host could be used: INSTANT_WEBSOCKET_URL, or
    the address that Django uses.
    """
    if conf.INSTANT_WEBSOCKET_URL:
        return conf.INSTANT_WEBSOCKET_URL
    # CENTRIFUGO_HOST may contain a password, which is only for Django.
    url = urlsplit(conf.server_url.replace("http", "ws", 1))
    return urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))
