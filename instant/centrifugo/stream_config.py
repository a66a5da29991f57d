"""The part of the server's config by which the streams of sockets reach their worker."""

from __future__ import annotations

from typing import Any

from .. import features
from ..conf.settings import conf
from ..protocol import SOCKETS_NAMESPACE
from .rpc_config import SECRET_HEADER

#: Where the devserver finds the bridge: an address in a header of this name, and this path behind the bridge's own.
BRIDGE_HEADER = "X-Instant-Bridge"
BRIDGE_PATH = "/instant/stream"

#: Headers of the browser's that are handed on; the server finds them in lower case only.
HANDED_ON = ("user-agent", "accept-language")
#: How long a permission may take.
TIMEOUT = "5s"


def is_used() -> bool:
    """Tell whether the project has a handler of sockets."""
    return features.in_use().sockets or bool(conf.socket_handlers)


def proxy() -> dict[str, Any]:
    """Return the `channel.proxy` section.

    The server takes the streams to the worker by gRPC. What stands under `http` is for the devserver, which has none,
    and asks the worker's bridge.

    Raises:
        InvalidSetting: a setting that the server would refuse, or silently take for something else.
    """
    return {
        "subscribe_stream": {
            "endpoint": conf.sockets_url,
            "timeout": TIMEOUT,
            "include_connection_meta": True,
            "http_headers": list(HANDED_ON),
            "grpc": {"static_metadata": {SECRET_HEADER.lower(): conf.proxy_secret}},
            "http": {"static_headers": {SECRET_HEADER: conf.proxy_secret, BRIDGE_HEADER: bridge()}},
        }
    }


def bridge() -> str:
    """Return where the devserver takes the streams to."""
    return conf.sockets_bridge + BRIDGE_PATH


def namespace() -> dict[str, Any]:
    """Return the namespace of the streams: no token, no history, and nobody but the worker says who joins."""
    return {
        "name": SOCKETS_NAMESPACE,
        "subscribe_stream_proxy_enabled": True,
        "subscribe_stream_proxy_bidirectional": True,
    }
