"""The rules of channel names: the private `$`, namespaces, and what the server accepts.

A name is `chan`, `ns:chan`, `$chan` or `$ns:chan`. The server looks for its private prefix at the very front, strips
it, and takes what stands before the first `:` for the namespace (Centrifugo's channel rules).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from . import features
from .conf import NamespaceOptions, conf
from .exceptions import InvalidChannel
from .protocol import MAX_CHANNEL_BYTES, NAMESPACE_BOUNDARY, PERSONAL_PREFIX, PRIVATE_PREFIX, SOCKETS_NAMESPACE

#: Namespaces that rules need, besides those of INSTANT_NAMESPACES; `instant.rules` keeps it.
namespaces_of_rules: set[str] = set()

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


def is_private(name: str) -> bool:
    """Tell whether the server lets nobody join `name` without a token."""
    return name.startswith(PRIVATE_PREFIX)


def public_name(name: str) -> str:
    """Return `name` without its `$`, also where versions before 5 wrote it: `ns:$chan` → `ns:chan`."""
    namespace, boundary, rest = name.lstrip(PRIVATE_PREFIX).partition(NAMESPACE_BOUNDARY)
    return namespace + boundary + rest.lstrip(PRIVATE_PREFIX)


def private_name(name: str) -> str:
    """Return `name` with one `$`, at the very front: `chan` → `$chan`, `ns:chan` and `ns:$chan` → `$ns:chan`."""
    return PRIVATE_PREFIX + public_name(name)


def namespace_of(name: str) -> str:
    """Return the namespace of `name`, or "" where it has none."""
    namespace, boundary, _ = name.removeprefix(PRIVATE_PREFIX).partition(NAMESPACE_BOUNDARY)
    return namespace if boundary else ""


def namespaces() -> Mapping[str, NamespaceOptions]:
    """Return the options of each namespace of the server; "" has those of channels without one."""
    of_rules: dict[str, NamespaceOptions] = {name: {} for name in sorted(namespaces_of_rules)}
    return {"": {}, **of_rules, **conf.INSTANT_NAMESPACES, **features.namespaces()}


def personal_channel(user: str) -> str:
    """Return the channel of whom the server knows as `user`: an id that a name cannot hold, hashed."""
    if _PLAIN_ID.fullmatch(user):
        return PERSONAL_PREFIX + user
    return f"{PERSONAL_PREFIX}~{hashlib.sha256(user.encode()).hexdigest()}"


def template_name(name: str) -> str:
    """Return the part of a file's name that stands for the channel, one for each: `$mychan` → `$mychan`, `ns:a/b` →
    `ns%3Aa%2Fb`. It leads to no other directory."""
    quoted = quote(name, safe=PRIVATE_PREFIX)
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def check_name(name: object) -> str:
    """Return `name` if clients can join a channel of this name on the server that our settings describe.

    Raises:
        InvalidChannel: it is empty, too long, not printable ASCII, has a second `$`, or an unknown namespace.
    """
    if not isinstance(name, str):
        raise InvalidChannel(f"a channel's name is a string that is not empty, not {name!r}")
    namespace = namespace_of_good(name)
    if namespace and namespace not in conf.INSTANT_NAMESPACES and namespace not in namespaces_of_rules:
        if namespace in features.namespaces():
            return name
        raise InvalidChannel(
            f"channel {name!r}: there is no namespace {namespace!r}; add it to INSTANT_NAMESPACES: "
            f'{{"{namespace}": {{}}}}, and start the server again'
        )
    return name


def check_own_name(name: object) -> str:
    """Return `name` if a channel that a site declares may have it: a good one, and nobody's personal channel.

    Raises:
        InvalidChannel: as `check_name`, or it is kept for a user, or for pages.
    """
    checked = check_name(name)
    if checked.startswith(PERSONAL_PREFIX):
        raise InvalidChannel(f"channel {name!r}: {PERSONAL_PREFIX!r} is kept for the channel that each user has")
    if (namespace := namespace_of(checked)) in features.namespaces():
        raise InvalidChannel(f"channel {name!r}: the namespace {namespace!r} is kept for the channels of pages")
    return checked


@lru_cache(maxsize=1024)
def namespace_of_good(name: str) -> str:
    """Return the namespace of a name that follows all rules that no setting changes.

    Kept, as a site publishes to the same few channels again and again.

    Raises:
        InvalidChannel: it breaks one.
    """
    bare = name.removeprefix(PRIVATE_PREFIX)
    if not name:
        raise InvalidChannel("a channel's name is a string that is not empty, not ''")
    if not bare or bare != public_name(bare):
        raise InvalidChannel(
            f"channel {name!r}: a name follows the {PRIVATE_PREFIX!r}, which stands once, at the very front"
        )
    if not name.isascii() or not name.isprintable():
        raise InvalidChannel(f"channel {name!r}: the server takes printable ASCII only, clients could never join it")
    if len(name) > MAX_CHANNEL_BYTES:
        raise InvalidChannel(f"channel {name[:40]!r}…: {len(name)} bytes, the server takes {MAX_CHANNEL_BYTES}")
    namespace = namespace_of(name)
    if namespace == SOCKETS_NAMESPACE:
        raise InvalidChannel(f"channel {name!r}: the namespace {SOCKETS_NAMESPACE!r} is kept for WebSocket handlers")
    return namespace
