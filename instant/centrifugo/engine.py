"""INSTANT_ENGINE: what the server's nodes share, as the server's config has it, and what is lost with each engine.

The kinds are those of Centrifugo: https://centrifugal.dev/docs/server/engines and, for PostgreSQL, the broker and the
controller that its version 6.8 has as experimental.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from ..conf.settings import conf
from ..exceptions import InvalidSetting
from ..secret_text import SecretAddress

_SCHEMES: dict[str, Literal["redis", "nats", "postgres"]] = {
    **dict.fromkeys(("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster"), "redis"),
    **dict.fromkeys(("nats", "tls+nats"), "nats"),
    **dict.fromkeys(("postgres", "postgresql"), "postgres"),
}
#: Between two addresses; a password may have a comma.
_BETWEEN = re.compile(r",(?=[a-z+]+://)")


def kind() -> Literal["memory", "redis", "nats", "postgres"]:
    """Return the kind of engine that INSTANT_ENGINE names.

    Raises:
        InvalidSetting: it names none.
    """
    engine = SecretAddress(conf.INSTANT_ENGINE)
    if engine == "memory":
        return "memory"
    kinds = {_SCHEMES.get(scheme) if place else None for scheme, _, place in map(_parted, _addresses())}
    found = kinds.pop()
    if found is None or kinds:
        raise InvalidSetting(
            f'INSTANT_ENGINE is {engine!r}; it must be "memory", "redis://host:6379/0", "nats://host:4222" or '
            '"postgresql://user:password@host/name", or several addresses of one kind with commas between them'
        )
    return found


def has_history() -> bool:
    """Whether channels have a history, without which nobody can join one that promises recovery (error 108)."""
    return kind() != "nats"


def has_shared_presence() -> bool:
    """Whether presence is that of all nodes; else each node knows its own clients only."""
    return kind() in ("memory", "redis")


def render() -> dict[str, Any]:
    """Return the sections of the server's config.

    Raises:
        InvalidSetting: INSTANT_ENGINE is wrong.
    """
    addresses = _addresses()
    found = kind()
    if found == "redis":
        # Redis' PUB/SUB knows no database numbers: two sites on one Redis are kept apart by the prefix.
        address = addresses[0] if len(addresses) == 1 else addresses
        return {"engine": {"type": "redis", "redis": {"address": address, "prefix": f"centrifugo.{conf.SITE_SLUG}"}}}
    if found == "nats":
        return {"broker": {"enabled": True, "type": "nats", "nats": {"url": SecretAddress(conf.INSTANT_ENGINE)}}}
    if found == "postgres":
        # With more shards a notification wakes one of their workers only, and the others wait for their next look.
        broker = {"dsn": addresses[0], "use_notify": True, "num_shards": 1}
        controller = {"dsn": addresses[0], "use_notify": True}
        return {
            "broker": {"enabled": True, "type": "postgres", "postgres": broker},
            "controller": {"enabled": True, "type": "postgres", "postgres": controller},
        }
    return {"engine": {"type": "memory"}}


def _addresses() -> list[SecretAddress]:
    return [SecretAddress(address) for address in _BETWEEN.split(conf.INSTANT_ENGINE)]


def _parted(address: SecretAddress) -> tuple[SecretAddress, ...]:
    return tuple(map(SecretAddress, address.partition("://")))
