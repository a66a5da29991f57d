"""The commands of a connected client for channels, except subscribing.

All of them raise CloseError (3501) if the command names no channel, and MalformedError if a field has a wrong type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instant.devserver import errors, permissions, wire_json
from instant.devserver.streams import Position, Publication

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instant.devserver.client import Client


def publish(client: Client, request: Mapping[str, Any]) -> dict[str, Any]:
    """Publish to a channel if its namespace allows clients to do so.

    Raises:
        ReplyError: 102 for an unknown namespace, 103 without permission, 107 for an invalid channel name or invalid
            data, 108 if Centrifugo would call a publish proxy.
        CloseError: 3501 without a channel.
    """
    channel, data = _channel(request), wire_json.read_raw(request, "data")
    options = permissions.options_of(client, channel)
    if not permissions.accepts(options, data):
        client.log("publish data validation failed", channel=channel)
        raise errors.ReplyError(errors.BAD_REQUEST)
    if options.publish_proxy_enabled or options.subscribe_stream_proxy_enabled:
        client.log("the devserver does not support publish proxies", channel=channel)
        raise errors.ReplyError(errors.NOT_AVAILABLE)
    permissions.demand(client, channel, options, "publish")
    payload = None if data is wire_json.MISSING else data
    client.hub.publish(channel, Publication(payload, info=client.info_in(channel)), options)
    return {}


def presence(client: Client, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the clients that are present in a channel.

    Raises:
        ReplyError: 102 for an unknown namespace, 103 without permission, 107 for an invalid channel name, 108 if the
            namespace has no presence.
        CloseError: 3501 without a channel.
    """
    return {"presence": client.hub.presence(_with_presence(client, request))}


def presence_stats(client: Client, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of clients and users that are present in a channel.

    Raises:
        ReplyError: 102 for an unknown namespace, 103 without permission, 107 for an invalid channel name, 108 if the
            namespace has no presence.
        CloseError: 3501 without a channel.
    """
    return client.hub.presence_stats(_with_presence(client, request))


def history(client: Client, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return publications of a channel, at most `client.history_max_publication_limit`.

    Raises:
        ReplyError: 102 for an unknown namespace, 103 without permission, 107 for an invalid channel name or for reading
            backwards from offset 0, 108 if the namespace has no history, 112 for a position of another epoch.
        CloseError: 3501 without a channel.
    """
    channel, limit = _channel(request), wire_json.read(request, "limit", 0)
    options = permissions.options_of(client, channel)
    if not options.has_history:
        raise errors.ReplyError(errors.NOT_AVAILABLE)
    permissions.demand(client, channel, options, "history")
    most = client.options.history_max_publication_limit
    if most > 0 and not 0 <= limit <= most:
        limit = most
    publications, top = client.hub.history(
        channel,
        options.history_meta_ttl,
        limit,
        since_of(request),
        reverse=wire_json.read(request, "reverse", False),
    )
    return {"publications": [item.encoded() for item in publications], **top.encoded()}


def unsubscribe(client: Client, request: Mapping[str, Any]) -> dict[str, Any]:
    """Unsubscribe the client from a channel. It is not an error if the client is not subscribed.

    Raises:
        CloseError: 3501 without a channel.
    """
    client.leave(_channel(request))
    return {}


def since_of(request: Mapping[str, Any], name: str = "since") -> Position | None:
    """Return the position in the field `name`, or None if there is none.

    Raises:
        MalformedError: the field is not a position.
    """
    since = wire_json.read_object(request, name)
    return None if since is None else Position(wire_json.read_uint(since, "offset"), wire_json.read(since, "epoch", ""))


def _with_presence(client: Client, request: Mapping[str, Any]) -> str:
    channel = _channel(request)
    options = permissions.options_of(client, channel)
    if not options.presence:
        raise errors.ReplyError(errors.NOT_AVAILABLE)
    permissions.demand(client, channel, options, "presence")
    return channel


def _channel(request: Mapping[str, Any]) -> str:
    channel = wire_json.read(request, "channel", "")
    if not channel:
        raise errors.CloseError(errors.CLOSED_BAD_REQUEST)
    return channel
