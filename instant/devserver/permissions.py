"""What a namespace permits a client to do in a channel, apart from subscribing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from instant.devserver import errors, wire_json

if TYPE_CHECKING:
    from instant.devserver.client import Client
    from instant.devserver.config_options import ChannelOptions

Action = Literal["publish", "history", "presence"]


def options_of(client: Client, channel: str) -> ChannelOptions:
    """Return the options of a channel that a client's command names.

    Raises:
        ReplyError: 102 for an unknown namespace, 107 for a name that clients cannot use.
    """
    options = client.rules.options(channel)
    if options is None:
        client.log("unknown channel", channel=channel)
        raise errors.ReplyError(errors.UNKNOWN_CHANNEL)
    if not client.rules.is_valid(channel, options):
        client.log("invalid channel name", channel=channel)
        raise errors.ReplyError(errors.BAD_REQUEST)
    return options


def may(client: Client, channel: str, options: ChannelOptions, action: Action, *, subscribed: bool = False) -> bool:
    """Return whether the namespace's `allow_*` options permit an action.

    If `subscribed` is true, the client counts as a subscriber, although it has not joined yet.
    """
    named = bool(client.user) or bool(getattr(options, f"allow_{action}_for_anonymous"))
    anyone = getattr(options, f"allow_{action}_for_client")
    subscriber = getattr(options, f"allow_{action}_for_subscriber")
    inside = subscribed or channel in client.subscriptions
    return bool(named and (anyone or (subscriber and inside))) or client.options.insecure


def demand(client: Client, channel: str, options: ChannelOptions, action: Action) -> None:
    """Check that the namespace permits an action.

    Raises:
        ReplyError: 103 if it does not.
    """
    if not may(client, channel, options, action):
        client.log(f"attempt to call {action} without sufficient permission", channel=channel)
        raise errors.ReplyError(errors.PERMISSION_DENIED)


def accepts(options: ChannelOptions, data: object) -> bool:
    """Return whether data has the namespace's format. The devserver transports all data as JSON."""
    if options.publication_data_format == "json_object":
        return isinstance(data, dict)
    return data is not wire_json.MISSING or options.publication_data_format == "binary"
