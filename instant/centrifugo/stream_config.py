"""The section of the server's config that connects sockets with the websockets worker."""

from __future__ import annotations

from typing import Any

from .. import features
from ..conf.settings import conf
from ..protocol import SOCKETS_NAMESPACE
from .rpc_config import SECRET_HEADER

#: The devserver finds the bridge by this header, whose value is an address, and by this path under that address.
BRIDGE_HEADER = "X-Instant-Bridge"
BRIDGE_PATH = "/instant/stream"

#: The browser's headers that are forwarded. The server finds them only in lower case.
FORWARDED_HEADERS = ("user-agent", "accept-language")
#: Time limit for opening a stream.
TIMEOUT = "5s"


def is_used() -> bool:
    """Return whether the project has socket handlers."""
    return features.in_use().sockets or bool(conf.socket_handlers)


def proxy() -> dict[str, Any]:
    """Return the `channel.proxy` section.

    The server opens streams to the worker by gRPC. The `http` part is for the devserver, which has no gRPC and uses the
    worker's bridge instead.

    Raises:
        InvalidSetting: the server would refuse a setting, or silently misread it.
    """
    return {
        "subscribe_stream": {
            "endpoint": conf.sockets_url,
            "timeout": TIMEOUT,
            "include_connection_meta": True,
            "http_headers": list(FORWARDED_HEADERS),
            "grpc": {"static_metadata": {SECRET_HEADER.lower(): conf.proxy_secret}},
            "http": {"static_headers": {SECRET_HEADER: conf.proxy_secret, BRIDGE_HEADER: bridge()}},
        }
    }


def bridge() -> str:
    """Return the URL to which the devserver connects its streams."""
    return conf.sockets_bridge + BRIDGE_PATH


def namespace() -> dict[str, Any]:
    """Return the namespace of the streams. It has no tokens and no history; only the worker decides who may join."""
    return {
        "name": SOCKETS_NAMESPACE,
        "subscribe_stream_proxy_enabled": True,
        "subscribe_stream_proxy_bidirectional": True,
    }
