"""The subscribe command: whether a client may join a channel, and what the reply contains."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from instant.devserver import errors, permissions, wire_json
from instant.devserver.client import MAX_TTL, Client, Subscription
from instant.devserver.recovery import REJECT_UNRECOVERED, Recovered, recover_cache, recover_stream
from instant.devserver.streams import Position
from instant.devserver.subscription_grant import Grant
from instant.devserver.tokens import ExpiredTokenError, InvalidTokenError, TokenReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instant.devserver.config_options import ChannelOptions

#: The type of shared poll subscriptions, for which Centrifugo has its own error. All types except 0 are refused.
_SHARED_POLL = 4


class Request(NamedTuple):
    """The fields of a subscribe command, or of a subscription that the server creates for a client."""

    channel: str
    token: str = ""
    recover: bool = False
    since: Position = Position()
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    filtered: bool = False
    flag: int = 0
    kind: int = 0
    delta: str = ""
    data: Any = wire_json.MISSING

    @classmethod
    def read(cls, data: Mapping[str, Any], channel: str = "") -> Request:
        """Read the fields that a client sent.

        Raises:
            MalformedError: a field has a wrong type or is out of range.
        """
        return cls(
            channel=channel or wire_json.read(data, "channel", ""),
            token=wire_json.read(data, "token", ""),
            recover=wire_json.read(data, "recover", False),
            since=Position(wire_json.read_uint(data, "offset"), wire_json.read(data, "epoch", "")),
            positioned=wire_json.read(data, "positioned", False),
            recoverable=wire_json.read(data, "recoverable", False),
            join_leave=wire_json.read(data, "join_leave", False),
            filtered=wire_json.read_object(data, "tf") is not None,
            flag=wire_json.read(data, "flag", 0),
            kind=wire_json.read(data, "type", 0),
            delta=wire_json.read(data, "delta", ""),
            data=wire_json.read_raw(data, "data"),
        )


def subscribe(client: Client, reader: TokenReader, request: Request) -> tuple[dict[str, Any], Subscription]:
    """Subscribe a client to a channel. Return the fields of the reply and the subscription.

    The caller sends the reply, and then announces the subscription.

    Raises:
        ReplyError, CloseError: the command is refused, see `check`, `authorize` and `join`.
    """
    check(client, request)
    grant = authorize(client, reader, request)
    return join(client, request, grant, server_side=False)


def authorize(client: Client, reader: TokenReader, request: Request) -> Grant:
    """Return what the client is granted in the channel, or refuse the command.

    As in Centrifugo, the checks are in this order: the name, `$`, the token, the users in the name, the namespace.

    Raises:
        ReplyError: 102 for an unknown namespace, 103 without permission, 107 for an invalid channel name, 108 if
            Centrifugo would call a proxy, 109 for an expired token.
        CloseError: 3500 for a token of another channel, user or client.
    """
    channel, rules = request.channel, client.rules
    options = permissions.options_of(client, channel)
    if request.kind or not options.takes_streams:
        raise errors.ReplyError(errors.PERMISSION_DENIED)
    if not request.token and rules.is_private(channel):
        client.log("attempt to subscribe on private channel without token", channel=channel)
        raise errors.ReplyError(errors.PERMISSION_DENIED)
    if request.token:
        grant = _by_token(client, reader, request)
    elif _may_join(client, channel, options):
        grant = Grant.from_options(options, "client")
    else:
        client.log("attempt to subscribe without sufficient permission", channel=channel)
        raise errors.ReplyError(errors.PERMISSION_DENIED)
    return _asked_for(client, request, grant)


def join(client: Client, request: Request, grant: Grant, *, server_side: bool) -> tuple[dict[str, Any], Subscription]:
    """Add the client to the channel. Return the fields of the reply and the subscription.

    Raises:
        ReplyError: 107 for a tags filter, 110 if the subscription has already expired, 112 if recovery failed and the
            client sent `REJECT_UNRECOVERED`.
    """
    result: dict[str, Any] = {}
    if grant.expire_at > 0:
        ttl = grant.expire_at - client.now()
        if ttl <= 0:
            client.log("subscription expiration must be greater than now", channel=request.channel)
            raise errors.ReplyError(errors.EXPIRED)
        grant = replace(grant, expire_at=client.now() + min(ttl, MAX_TTL))
        if not server_side:
            result = {"expires": True, "ttl": ttl}
    if request.filtered:
        client.log("tags filter not allowed", channel=request.channel)
        raise errors.ReplyError(errors.BAD_REQUEST)
    subscription = Subscription(client, request.channel, grant, server_side=server_side)
    if grant.positioned:
        result.update(_recover(client, request, subscription))
    client.subscriptions[request.channel] = subscription
    client.hub.subscribe(subscription)
    return wire_json.with_raw(result, data=grant.data), subscription


def check(client: Client, request: Request) -> None:
    """Refuse a command that is invalid for every client, regardless of permissions.

    Raises:
        ReplyError: 105 for an existing subscription, 106 for too many subscriptions, 107 for a channel name that is too
            long, 108 for a shared poll subscription.
        CloseError: 3501 without a channel or for an unknown delta type.
    """
    channel, limit = request.channel, client.options.channel_limit
    if not channel or request.delta not in ("", "fossil"):
        raise errors.CloseError(errors.CLOSED_BAD_REQUEST)
    if request.kind == _SHARED_POLL:
        raise errors.ReplyError(errors.NOT_AVAILABLE)
    problem = None
    if client.rules.is_too_long(channel):
        problem = errors.BAD_REQUEST
    elif channel in client.subscriptions:
        problem = errors.ALREADY_SUBSCRIBED
    elif 0 < limit <= len(client.subscriptions):
        problem = errors.LIMIT_EXCEEDED
    if problem:
        client.log(f"subscribe refused: {problem.message}", channel=channel)
        raise errors.ReplyError(problem)


def _by_token(client: Client, reader: TokenReader, request: Request) -> Grant:
    try:
        token = reader.subscription(request.token)
    except ExpiredTokenError:
        raise errors.ReplyError(errors.TOKEN_EXPIRED) from None
    except InvalidTokenError as error:
        client.log(f"invalid subscription token: {error}", channel=request.channel)
        raise errors.ReplyError(errors.PERMISSION_DENIED) from error
    # As in Centrifugo, a valid token for another channel, user or client closes the connection.
    for name, theirs, ours in (
        ("channel", token.channel, request.channel),
        ("user", token.user, client.user),
        ("client", token.client or client.id, client.id),
    ):
        if theirs != ours:
            client.log(f"token {name} mismatch", **{f"token_{name}": theirs, name: ours})
            raise errors.CloseError(errors.INVALID_TOKEN)
    return token.grant


def _may_join(client: Client, channel: str, options: ChannelOptions) -> bool:
    """Return whether the client may join without a token.

    Raises:
        ReplyError: 108 if Centrifugo would call a proxy.
    """
    if client.rules.is_user_limited(channel, options):
        return client.rules.lists_user(channel, client.user) or client.options.insecure
    if options.subscribe_proxy_enabled or options.subscribe_stream_proxy_enabled:
        client.log("the devserver does not support subscribe proxies", channel=channel)
        raise errors.ReplyError(errors.NOT_AVAILABLE)
    named = bool(client.user) or options.allow_subscribe_for_anonymous
    return (options.allow_subscribe_for_client and named) or client.options.insecure


def _asked_for(client: Client, request: Request, grant: Grant) -> Grant:
    """Return the grant with the options that the client requested and may enable itself."""
    options = grant.options
    history = permissions.may(client, request.channel, options, "history", subscribed=True)
    recovery = grant.recovery or (request.recoverable and (options.allow_recovery or history))
    presence = permissions.may(client, request.channel, options, "presence", subscribed=True)
    return replace(
        grant,
        recovery=recovery,
        positioning=grant.positioning or (request.positioned and (options.allow_positioning or history)),
        push_join_leave=grant.push_join_leave or (request.join_leave and options.join_leave and presence),
        auto_recover=options.auto_cache_recover and options.cache_mode and recovery,
    )


def _recover(client: Client, request: Request, subscription: Subscription) -> dict[str, Any]:
    grant, channel = subscription.grant, request.channel
    asked = grant.recovery and (request.recover or grant.auto_recover)
    if not asked:
        top = client.hub.history(channel, grant.options.history_meta_ttl)[1]
        recovered = Recovered(top, [], success=False)
    elif grant.options.cache_mode:
        recovered = recover_cache(client.hub, channel, grant, request.since)
    else:
        limit = client.options.recovery_max_publication_limit
        recovered = recover_stream(client.hub, channel, grant, request.since, limit)
        if not recovered.success and request.flag & REJECT_UNRECOVERED:
            raise errors.ReplyError(errors.UNRECOVERABLE_POSITION)
    subscription.position = recovered.position
    return wire_json.filled(
        recoverable=grant.recovery,
        positioned=True,
        epoch=recovered.position.epoch,
        # A reply to a successful recovery repeats the requested offset, and the client counts from there.
        offset=request.since.offset if recovered.success else recovered.position.offset,
        recovered=recovered.success,
        was_recovering=request.recover or asked,
        publications=[publication.encoded() for publication in recovered.publications],
    )
