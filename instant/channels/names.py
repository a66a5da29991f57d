"""The rules for channel names: the private `$`, namespaces, and the limits of the server.

A name is `chan`, `ns:chan`, `$chan` or `$ns:chan`. Centrifugo expects its private prefix at the beginning, removes it,
and takes the part before the first `:` as the namespace (source: Centrifugo's channel rules).
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from urllib.parse import quote

from ..exceptions import InvalidChannel
from ..protocol import MAX_CHANNEL_BYTES, NAMESPACE_BOUNDARY, PERSONAL_PREFIX, PRIVATE_PREFIX, SOCKETS_NAMESPACE

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")


def is_private(name: str) -> bool:
    """Report whether clients need a token to join `name`."""
    return name.startswith(PRIVATE_PREFIX)


def public_name(name: str) -> str:
    """Return `name` without its `$`. The form of versions before 5 is accepted, too: `ns:$chan` → `ns:chan`."""
    namespace, boundary, rest = name.lstrip(PRIVATE_PREFIX).partition(NAMESPACE_BOUNDARY)
    return namespace + boundary + rest.lstrip(PRIVATE_PREFIX)


def private_name(name: str) -> str:
    """Return `name` with one `$` at the beginning: `chan` → `$chan`, `ns:chan` and `ns:$chan` → `$ns:chan`."""
    return PRIVATE_PREFIX + public_name(name)


def namespace_of(name: str) -> str:
    """Return the namespace of `name`, or "" if it has none."""
    namespace, boundary, _ = name.removeprefix(PRIVATE_PREFIX).partition(NAMESPACE_BOUNDARY)
    return namespace if boundary else ""


def personal_channel(user: str) -> str:
    """Return the channel of the user with this id. If a channel's name cannot contain the id, the id is hashed."""
    if _PLAIN_ID.fullmatch(user):
        return PERSONAL_PREFIX + user
    return f"{PERSONAL_PREFIX}~{hashlib.sha256(user.encode()).hexdigest()}"


def template_name(name: str) -> str:
    """Return the part of a template's file name for this channel: `$mychan` → `$mychan`, `ns:a/b` → `ns%3Aa%2Fb`.

    The result cannot lead to another directory, and no two channels have the same one.
    """
    quoted = quote(name, safe=PRIVATE_PREFIX)
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


@lru_cache(maxsize=1024)
def checked_namespace(name: str) -> str:
    """Return the namespace of a name, after checking the rules that do not depend on settings.

    The result is cached, because a site publishes to the same few channels repeatedly.

    Raises:
        InvalidChannel: the name breaks a rule.
    """
    bare = name.removeprefix(PRIVATE_PREFIX)
    if not name:
        raise InvalidChannel("a channel's name must not be empty")
    if not bare or bare != public_name(bare):
        raise InvalidChannel(
            f"channel {name!r}: a {PRIVATE_PREFIX!r} may stand only once, at the beginning, and needs a name after it"
        )
    if not name.isascii() or not name.isprintable():
        raise InvalidChannel(f"channel {name!r}: the name must consist of printable ASCII, or no client could join it")
    if len(name) > MAX_CHANNEL_BYTES:
        raise InvalidChannel(f"channel {name[:40]!r}…: the name has {len(name)} bytes, more than {MAX_CHANNEL_BYTES}")
    namespace = namespace_of(name)
    if namespace == SOCKETS_NAMESPACE:
        raise InvalidChannel(
            f"channel {name!r}: the namespace {SOCKETS_NAMESPACE!r} is reserved for WebSocket handlers"
        )
    return namespace
