"""The options of a worker. This module must not import gRPC, because the processes are forked before gRPC is loaded."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds of silence after which the websockets server is pinged, and seconds in which it must answer.
KEEPALIVE = (10.0, 5.0)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `manage.py run_wsserver`. Addresses are "host:port". Without `bridge`, no bridge is started."""

    address: str
    bridge: str | None
    websocket_url: str
    threads: int = 8
    threaded: bool = False
    #: Whether other processes share the port.
    shared_port: bool = False
    #: Seconds that open sockets may take to end.
    patience: float = 10.0
    keepalive: tuple[float, float] = KEEPALIVE
