"""Access to channels: the decisions, and the tokens for them.

`channel_access` decides who may join, `client_credentials` collects what a client needs, and `tokens` signs the tokens.
`guards` contains the permissions of signals, sockets and events. `origins` and `proxy_secret` authenticate requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .channel_access import (
        Access,
        allowed,
        by_rule,
        channels_for,
        may_connect,
        may_join,
        members,
    )
    from .client_credentials import (
        ChannelCredentials,
        Credentials,
        Refusal,
        channel_credentials,
        credentials,
        default_websocket_url,
    )

__all__ = [
    "Access",
    "ChannelCredentials",
    "Credentials",
    "Refusal",
    "allowed",
    "by_rule",
    "channel_credentials",
    "channels_for",
    "credentials",
    "default_websocket_url",
    "may_connect",
    "may_join",
    "members",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        ".client_credentials": (
            *("ChannelCredentials", "Credentials", "Refusal"),
            *("channel_credentials", "credentials", "default_websocket_url"),
        ),
        ".channel_access": (
            *("Access", "allowed", "by_rule", "channels_for"),
            *("may_connect", "may_join", "members"),
        ),
    },
)
