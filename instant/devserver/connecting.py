"""The connect command, and the refresh of connection and subscription tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instant.devserver import errors, wire_json
from instant.devserver.client import MAX_TTL, Client
from instant.devserver.subscribing import Request, join
from instant.devserver.subscription_grant import Grant
from instant.devserver.tokens import ConnectionToken, ExpiredTokenError, InvalidTokenError, TokenReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instant.devserver.client import Subscription

#: The version that Centrifugo reports to clients if it has no licence.
VERSION = "0.0.0 OSS"


def connect(
    client: Client, reader: TokenReader, request: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Subscription]]:
    """Connect a client and create its server-side subscriptions. Return the fields of the reply and the subscriptions.

    The caller sends the reply, and then announces the subscriptions.

    Raises:
        ReplyError, CloseError: the command is refused.
        MalformedError: a field has a wrong type.
    """
    if client.authenticated:
        raise errors.CloseError(errors.CLOSED_BAD_REQUEST)
    requested = wire_json.read_object(request, "subs") or {}
    token = _credentials(client, reader, wire_json.read(request, "token", ""))
    grants = {**token.subs, **_personal(client, token.user), **_requested(client, token, requested)}
    grants.pop("", None)
    if 0 < client.options.channel_limit < len(grants):
        raise errors.CloseError(errors.CHANNEL_LIMIT)
    _limit_connections(client, token.user)
    expires = _admit(client, token)
    client.hub.add(client)
    results, subscriptions = {}, []
    for channel, grant in grants.items():
        fields = wire_json.read_object(requested, channel) or {}
        results[channel], joined = join(client, Request.read(fields, channel), grant, server_side=True)
        subscriptions.append(joined)
    return {**_connect_fields(client), **expires, **wire_json.filled(subs=results)}, subscriptions


def refresh(client: Client, reader: TokenReader, request: Mapping[str, Any]) -> dict[str, Any]:
    """Renew the connection by a new token. Return the fields of the reply.

    Raises:
        CloseError: 3005 for an expired token, 3500 for an invalid one or another user's, 3501 without a token, 3010 if
            the token's channels are not those of the connection.
        ReplyError: 102 if the token names an unknown namespace, 110 if it grants no time.
        MalformedError: a field has a wrong type.
    """
    given = wire_json.read(request, "token", "")
    if not given:
        raise errors.CloseError(errors.CLOSED_BAD_REQUEST)
    try:
        token = reader.connection(given)
    except ExpiredTokenError:
        raise errors.CloseError(errors.CONNECTION_EXPIRED) from None
    except InvalidTokenError as error:
        client.log(f"invalid refresh token: {error}")
        raise errors.CloseError(errors.INVALID_TOKEN) from error
    if token.user != client.user:
        client.log("refresh token user mismatch", token_user=token.user)
        raise errors.CloseError(errors.INVALID_TOKEN)
    granted = {item.channel for item in client.subscriptions.values() if item.grant.source == "connection_token"}
    if granted - token.subs.keys() or token.subs.keys() - client.subscriptions.keys():
        raise errors.CloseError(errors.INSUFFICIENT_STATE)
    if token.meta is not wire_json.MISSING:
        client.meta = token.meta
    return _renew(client, token)


def sub_refresh(client: Client, reader: TokenReader, request: Mapping[str, Any]) -> dict[str, Any]:
    """Renew a subscription by a new token. Return the fields of the reply.

    After an expired token of the right type, the subscription does not expire any more. This is a bug of Centrifugo
    6.9.1, which is copied here.

    Raises:
        ReplyError: 102 if the token names an unknown namespace, 103 if the client is not subscribed, 107 without a
            token, 110 if the token grants no time.
        CloseError: 3500 for an invalid token, 3501 without a channel or for a server-side subscription.
        MalformedError: a field has a wrong type.
    """
    channel, given = wire_json.read(request, "channel", ""), wire_json.read(request, "token", "")
    if not channel:
        raise errors.CloseError(errors.CLOSED_BAD_REQUEST)
    subscription = client.subscriptions.get(channel)
    if subscription is None:
        raise errors.ReplyError(errors.PERMISSION_DENIED)
    if subscription.server_side:
        raise errors.CloseError(errors.CLOSED_BAD_REQUEST)
    if not given:
        raise errors.ReplyError(errors.BAD_REQUEST)
    try:
        token = reader.subscription(given)
    except ExpiredTokenError:
        subscription.expire_at, subscription.info = 0, wire_json.MISSING
        return {}
    except InvalidTokenError as error:
        client.log(f"invalid subscription refresh token: {error}", channel=channel)
        raise errors.CloseError(errors.INVALID_TOKEN) from error
    if (token.channel, token.user, token.client or client.id) != (channel, client.user, client.id):
        client.log("sub refresh token mismatch", channel=channel)
        raise errors.CloseError(errors.INVALID_TOKEN)
    return _renew_subscription(client, subscription, token.grant)


def _credentials(client: Client, reader: TokenReader, given: str) -> ConnectionToken:
    options = client.options
    if not given:
        if options.allow_anonymous_connect_without_token or options.insecure:
            return ConnectionToken("")
        client.log("client credentials not found")
        raise errors.CloseError(errors.CLOSED_BAD_REQUEST)
    try:
        token = reader.connection(given)
    except ExpiredTokenError:
        raise errors.ReplyError(errors.TOKEN_EXPIRED) from None
    except InvalidTokenError as error:
        client.log(f"invalid connection token: {error}")
        raise errors.CloseError(errors.INVALID_TOKEN) from error
    if not token.user and options.disallow_anonymous_connection_tokens:
        client.log("anonymous connection tokens disallowed")
        raise errors.CloseError(errors.CLOSED_PERMISSION_DENIED)
    return token


def _personal(client: Client, user: str) -> dict[str, Grant]:
    personal = client.options.subscribe_to_user_personal_channel
    if not personal.enabled or not user:
        return {}
    if personal.single_connection:
        for other in client.hub.clients_of(user):
            other.close(errors.CONNECTION_LIMIT)
    channel = client.rules.personal_channel(personal.personal_channel_namespace, user)
    options = client.rules.options(channel)
    if options is None:
        raise errors.ReplyError(errors.UNKNOWN_CHANNEL)
    return {channel: Grant.from_options(options, "personal")}


def _requested(client: Client, token: ConnectionToken, requested: Mapping[str, Any]) -> dict[str, Grant]:
    """Return the grants for those requested channels that the client may join without a token. Ignore the others.

    Raises:
        CloseError: 3501 for an unknown namespace.
    """
    grants = {}
    for channel in requested:
        options = client.rules.options(channel)
        if options is None:
            client.log("subscribe unknown channel", channel=channel)
            raise errors.CloseError(errors.CLOSED_BAD_REQUEST)
        closed = client.rules.is_private(channel) or options.subscribe_proxy_enabled
        if closed or channel in token.subs or not client.rules.is_valid(channel, options):
            continue
        if client.rules.is_user_limited(channel, options):
            allowed = bool(token.user) and client.rules.lists_user(channel, token.user)
        else:
            named = bool(token.user) or options.allow_subscribe_for_anonymous
            allowed = options.allow_subscribe_for_client and named
        if allowed or client.options.insecure:
            grants[channel] = Grant.from_options(options, "request")
    return grants


def _limit_connections(client: Client, user: str) -> None:
    limit = client.options.user_connection_limit
    if user and 0 < limit <= len(client.hub.clients_of(user)):
        client.log("limit of connections for user reached", limit=limit)
        raise errors.CloseError(errors.CONNECTION_LIMIT)


def _admit(client: Client, token: ConnectionToken) -> dict[str, Any]:
    client.user, client.info, client.meta = token.user, token.info, token.meta
    expire_at = 0 if client.options.insecure else token.expire_at
    ttl = min(expire_at - client.now(), MAX_TTL)
    if expire_at and ttl < 0:
        client.log("connection expiration must be greater than now")
        raise errors.ReplyError(errors.EXPIRED)
    client.authenticated = True
    if expire_at:
        client.expire_in(ttl)
    return wire_json.filled(expires=bool(expire_at), ttl=ttl if expire_at else 0)


def _connect_fields(client: Client) -> dict[str, Any]:
    options, hub = client.options, client.hub
    return {
        "client": client.id,
        "version": VERSION,
        **wire_json.filled(
            ping=int(options.ping_interval),
            pong=options.ping_interval > 0 and options.pong_timeout > 0,
            time=int(hub.clock() * 1000) if options.connect_include_server_time else 0,
        ),
    }


def _renew(client: Client, token: ConnectionToken) -> dict[str, Any]:
    if not token.expire_at:
        return {}
    ttl = min(token.expire_at - client.now(), MAX_TTL)
    if ttl <= 0:
        raise errors.ReplyError(errors.EXPIRED)
    if token.info is not wire_json.MISSING:
        client.info = token.info
    client.expire_in(ttl)
    return {"expires": True, "ttl": ttl}


def _renew_subscription(client: Client, subscription: Subscription, grant: Grant) -> dict[str, Any]:
    ttl = min(grant.expire_at - client.now(), MAX_TTL)
    if grant.expire_at and ttl < 0:
        raise errors.ReplyError(errors.EXPIRED)
    subscription.expire_at = client.now() + ttl if grant.expire_at else 0
    subscription.info = grant.info
    return {"expires": True, **wire_json.filled(ttl=ttl)} if grant.expire_at else {}
