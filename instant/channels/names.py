"""The rules of channel names: the private `$`, namespaces, and what the server accepts.

A name is `chan`, `ns:chan`, `$chan` or `$ns:chan`. The server looks for its private prefix at the very front, strips
it, and takes what stands before the first `:` for the namespace (Centrifugo's channel rules).
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


@lru_cache(maxsize=1024)
def checked_namespace(name: str) -> str:
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
