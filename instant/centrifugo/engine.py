"""INSTANT_ENGINE: which state the nodes of the server share, and the sections of the server's config for it.

The engines are those of Centrifugo: https://centrifugal.dev/docs/server/engines. For PostgreSQL they are the broker and
the controller, which are experimental in version 6.8.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

from ..conf.settings import conf
from ..exceptions import InvalidSetting
from ..secret_text import SecretAddress

Deployment: TypeAlias = Literal["memory", "redis", "shards", "sentinel", "cluster", "nats", "postgres"]

_SCHEMES: dict[str, Literal["redis", "nats", "postgres"]] = {
    **dict.fromkeys(("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster"), "redis"),
    **dict.fromkeys(("nats", "tls+nats"), "nats"),
    **dict.fromkeys(("postgres", "postgresql"), "postgres"),
}
#: Separates two addresses. A comma in a password does not match.
_BETWEEN = re.compile(r",(?=[a-z+]+://)")


def kind() -> Literal["memory", "redis", "nats", "postgres"]:
    """Return the kind of the engine in INSTANT_ENGINE.

    Raises:
        InvalidSetting: INSTANT_ENGINE has an unknown or incomplete address, or addresses of several kinds.
    """
    engine = SecretAddress(conf.INSTANT_ENGINE)
    if engine == "memory":
        return "memory"
    kinds = {_SCHEMES.get(scheme) if place else None for scheme, _, place in map(_parted, _addresses())}
    found = kinds.pop()
    if found is None or kinds:
        raise InvalidSetting(
            f'INSTANT_ENGINE is {engine!r}; it must be "memory", "redis://host:6379/0", "nats://host:4222" or '
            '"postgresql://user:password@host/name", or several addresses of one kind, separated by commas.'
        )
    return found


def deployment() -> Deployment:
    """Return the kind of the engine and, for Redis, whether it has several shards, Sentinel or Cluster.

    Raises:
        InvalidSetting: INSTANT_ENGINE is wrong.
    """
    found = kind()
    if found != "redis":
        return found
    schemes = {_parted(address)[0] for address in _addresses()}
    if any("sentinel" in scheme for scheme in schemes):
        return "sentinel"
    if any("cluster" in scheme for scheme in schemes):
        return "cluster"
    return "shards" if len(_addresses()) > 1 else "redis"


def has_history() -> bool:
    """Return whether channels have a history.

    Without it, the server refuses subscriptions to channels with recovery (error 108).

    Raises:
        InvalidSetting: INSTANT_ENGINE is wrong.
    """
    return kind() != "nats"


def has_shared_presence() -> bool:
    """Return whether presence covers the clients of all nodes, and not only those of the node that is asked.

    Raises:
        InvalidSetting: INSTANT_ENGINE is wrong.
    """
    return kind() in ("memory", "redis")


def render() -> dict[str, Any]:
    """Return the engine's sections of the server's config.

    Raises:
        InvalidSetting: INSTANT_ENGINE is wrong.
    """
    addresses = _addresses()
    found = kind()
    if found == "redis":
        # Redis' PUB/SUB ignores database numbers. The prefix separates two sites on one Redis.
        address = addresses[0] if len(addresses) == 1 else addresses
        return {"engine": {"type": "redis", "redis": {"address": address, "prefix": f"centrifugo.{conf.SITE_SLUG}"}}}
    if found == "nats":
        return {"broker": {"enabled": True, "type": "nats", "nats": {"url": SecretAddress(conf.INSTANT_ENGINE)}}}
    if found == "postgres":
        # With several shards a notification wakes only one worker; the others would wait for their next poll.
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
