"""The JWTs with which a client connects and joins channels (Centrifugo's connection and subscription tokens)."""

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
#: Seconds in which the token of a strict channel can be used: it is asked for when the connection is there.
STRICT_TTL = 15


def connection_token(user: User, *, meta: dict[str, Any] | None = None, expires_in: int | None = None) -> str:
    """Return the token with which `user` connects, good for INSTANT_TOKEN_TTL seconds, or `expires_in` if that is less.

    It carries no channels: a namespace in it that the server lacks would end the whole login (error 102). `meta` is for
    the server's proxies only; by default it is `session_binding.bound_meta` without the fingerprint of the user's
    rights: no query is made, so that async code can call this.
    """
    bound = bound_meta(user, rights="") if meta is None else {**meta, **identity(user)}
    ttl = conf.INSTANT_TOKEN_TTL if expires_in is None else max(min(conf.INSTANT_TOKEN_TTL, expires_in), 1)
    info = shown_info(bound)
    return _signed(user_id(user), ttl, {"meta": bound, **({"info": info} if info else {})})


def channel_token(channel: str, user: User, *, client: str | None = None) -> str:
    """Return the token with which `user`, and nobody else, joins `channel` during INSTANT_CHANNEL_TOKEN_TTL seconds.

    Where the channel is strict it joins on the connection with the id `client` only, during STRICT_TTL seconds.

    `expire_at` 0 keeps the running subscription from asking for renewals, which would revoke nothing anyway: the
    server renews a subscription for an expired token too. Revocation is `instant.revocation`'s.

    Raises:
        InvalidChannel: the server would not let anyone join a channel of that name.
        ValueError: the channel is strict, and there is no `client`.
    """
    return channel_token_for(user_id(user), check_name(channel), client=client)


def channel_token_for(
    sub: str, channel: str, claims: Mapping[str, Any] | None = None, client: str | None = None
) -> str:
    """Return the channel token of the user whom the server knows as `sub`; `channel` is known to be a good name.

    `claims` are further ones of the subscription: `info`, which others may see, and `override`, of its options.
    `client` is what the caller says its connection is: the token is of no use on that of another user.

    Raises:
        ValueError: the channel is strict, and there is no `client`.
    """
    ttl, bound = conf.INSTANT_CHANNEL_TOKEN_TTL, dict(claims or {})
    if is_strict(channel):
        if not client:
            raise ValueError(f"the channel {channel!r} is strict: its token is for one connection, so give `client`")
        ttl, bound["client"] = min(ttl, STRICT_TTL), client
    return _signed(sub, ttl, {"channel": on_server(channel), "expire_at": 0, **bound})


def connection_claims(token: str) -> dict[str, Any] | None:
    """Return the claims of a token that `connection_token` made, or None where it is not good, or no longer."""
    for key in filter(None, (conf.hmac_key, conf.previous_hmac_key)):
        try:
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM], options={"require": ["exp", "sub"]})
        except (jwt.InvalidTokenError, UnicodeEncodeError):  # a header's bytes need not be UTF-8
            continue
        return None if "channel" in claims else claims  # a channel's token is signed with the same key
    return None


def _signed(sub: str, ttl: int, claims: dict[str, Any]) -> str:
    now = int(time.time())
    return Secret(jwt.encode({"sub": sub, "exp": now + ttl, "iat": now, **claims}, conf.hmac_key, algorithm=ALGORITHM))
