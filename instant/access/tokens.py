"""The JWTs with which a client connects and joins channels: Centrifugo's connection and subscription tokens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jwt

from ..channels.namespaces import check_name, is_strict
from ..channels.server_names import on_server
from ..channels.user_ids import identity, user_id
from ..conf.settings import conf
from ..secret_text import Secret
from .session_binding import bound_meta, shown_info

if TYPE_CHECKING:
    from ..channels.user_ids import User

ALGORITHM = "HS256"
#: How many seconds the token of a strict channel is valid. Clients request it when the connection exists.
STRICT_TTL = 15


def connection_token(user: User, *, meta: dict[str, Any] | None = None, expires_in: int | None = None) -> str:
    """Return the token with which `user` connects.

    It is valid for INSTANT_TOKEN_TTL seconds, or for `expires_in` seconds if that is less, but at least for 1 second.
    It contains no channels: one namespace that the server does not know would make the whole connection fail (error
    102).

    Only Centrifugo's proxies see `meta`. By default it is `session_binding.bound_meta` without the fingerprint of the
    user's rights. That makes no query, so async code can call this function.

    Raises:
        InvalidSetting: a setting has a wrong value.
    """
    bound = bound_meta(user, rights="") if meta is None else {**meta, **identity(user)}
    ttl = conf.INSTANT_TOKEN_TTL if expires_in is None else max(min(conf.INSTANT_TOKEN_TTL, expires_in), 1)
    info = shown_info(bound)
    return _signed(user_id(user), ttl, {"meta": bound, **({"info": info} if info else {})})


def channel_token(channel: str, user: User, *, client: str | None = None) -> str:
    """Return the token with which only `user` can join `channel`, within INSTANT_CHANNEL_TOKEN_TTL seconds.

    This does not check whether the user may join; `access.may_join()` does.

    The token of a strict channel works only on the connection with the id `client`, and only for STRICT_TTL (15)
    seconds.

    With the claim `expire_at` 0, a running subscription requests no renewals. Renewals would revoke nothing, because
    the server renews a subscription even for an expired token. `instant.revocation` revokes access.

    Raises:
        InvalidChannel: no client could join a channel of this name, or with its tenant it is too long.
        InvalidSetting: a setting has a wrong value.
        ValueError: the channel is strict, and `client` is missing.
    """
    return channel_token_for(user_id(user), check_name(channel), client=client)


def channel_token_for(
    sub: str, channel: str, claims: Mapping[str, Any] | None = None, client: str | None = None
) -> str:
    """Return the channel token of the user with the id `sub` in Centrifugo. `channel` must be a valid name.

    `claims` are further claims of the subscription: `info`, which other clients may see, and `override`, which contains
    its options. `client` is the connection's id, as sent by the client. A wrong id does no harm: the token does not
    work on another user's connection.

    Raises:
        InvalidChannel: with its tenant, the name is too long.
        InvalidSetting: a setting has a wrong value.
        ValueError: the channel is strict, and `client` is missing.
    """
    ttl, bound = conf.INSTANT_CHANNEL_TOKEN_TTL, dict(claims or {})
    if is_strict(channel):
        if not client:
            raise ValueError(f"the channel {channel!r} is strict, so its token is for one connection: pass `client`")
        ttl, bound["client"] = min(ttl, STRICT_TTL), client
    return _signed(sub, ttl, {"channel": on_server(channel), "expire_at": 0, **bound})


def connection_claims(token: str) -> dict[str, Any] | None:
    """Return the claims of a token of `connection_token`. Return None if it is invalid or has expired."""
    for key in filter(None, (conf.hmac_key, conf.previous_hmac_key)):
        try:
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM], options={"require": ["exp", "sub"]})
        except (jwt.InvalidTokenError, UnicodeEncodeError):  # the bytes of a header may not be UTF-8
            continue
        return None if "channel" in claims else claims  # tokens of channels are signed with the same key
    return None


def _signed(sub: str, ttl: int, claims: dict[str, Any]) -> str:
    now = int(time.time())
    return Secret(jwt.encode({"sub": sub, "exp": now + ttl, "iat": now, **claims}, conf.hmac_key, algorithm=ALGORITHM))
