"""What a worker is told. Nothing here needs gRPC: processes are forked before it is there."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds after which a websockets server that is silent is asked for a sign, and in which it must give one.
KEEPALIVE = (10.0, 5.0)


@dataclass(frozen=True, slots=True)
class Options:
    """What `manage.py run_wsserver` was told. Addresses are "host:port"; without `bridge` there is none."""

    address: str
    bridge: str | None
    websocket_url: str
    threads: int = 8
    threaded: bool = False
    #: Whether other processes listen there, too.
    shared_port: bool = False
    #: Seconds that the sockets have to end in.
    patience: float = 10.0
    keepalive: tuple[float, float] = KEEPALIVE
