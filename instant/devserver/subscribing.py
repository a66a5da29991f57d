"""The subscribe command: may the client join, and what does it get to know at once."""

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

#: The kind of subscription that the server has only where it is configured; other kinds than 0 are refused.
_SHARED_POLL = 4


class Request(NamedTuple):
    """A read subscribe command, or what stands for one where the server subscribes a client."""

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
        """Read a client's fields.

        Raises:
            MalformedError: the input has another form.
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
    """Join a channel for a subscribe command; the caller replies, then announces.

    Raises:
        ReplyError, CloseError: the command is refused.
    """
    check(client, request)
    grant = authorize(client, reader, request)
    return join(client, request, grant, server_side=False)


def authorize(client: Client, reader: TokenReader, request: Request) -> Grant:
    """Decide whether the client may join, in the server's order: name, `$`, token, name's users, namespace.

    Raises:
        ReplyError, CloseError: the command is refused.
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
    """Put the client into the channel; return the fields of the reply and the subscription.

    Raises:
        ReplyError: the command is refused.
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
    """Refuse a command that is wrong whoever sends it.

    Raises:
        ReplyError, CloseError: the command is refused.
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
    # The server's hardest answer: a valid token for someone or something else ends the connection.
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
    """Decide without a token.

    Raises:
        ReplyError: 108 if Centrifugo would call a proxy.
    """
    if client.rules.is_user_limited(channel, options):
        return client.rules.lists_user(channel, client.user) or client.options.insecure
    if options.subscribe_proxy_enabled or options.subscribe_stream_proxy_enabled:
        client.log("the devserver has no subscribe proxy", channel=channel)
        raise errors.ReplyError(errors.NOT_AVAILABLE)
    named = bool(client.user) or options.allow_subscribe_for_anonymous
    return (options.allow_subscribe_for_client and named) or client.options.insecure


def _asked_for(client: Client, request: Request, grant: Grant) -> Grant:
    """Add what a client may switch on by itself."""
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
        # The reply to a recovery repeats the offset that was asked for: the client counts on from there.
        offset=request.since.offset if recovered.success else recovered.position.offset,
        recovered=recovered.success,
        was_recovering=request.recover or asked,
        publications=[publication.encoded() for publication in recovered.publications],
    )
