"""What a subscriber missed: recovery from a position, in stream and in cache mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from instant.devserver import errors
from instant.devserver.streams import Position, Publication

if TYPE_CHECKING:
    from instant.devserver.hub import Hub
    from instant.devserver.subscription_grant import Grant

#: The flag of a subscribe request to be refused (112) rather than told `recovered: false`.
REJECT_UNRECOVERED = 2


class Recovered(NamedTuple):
    """The top position and, if all that was missed is still there, the missed publications."""

    position: Position
    publications: list[Publication]
    success: bool


def recover_stream(hub: Hub[Any], channel: str, grant: Grant, since: Position, limit: int) -> Recovered:
    """Recover every publication after `since`; at most `limit` (0: all), for more would not be all.

    An empty epoch matches any.
    """
    meta_ttl = grant.options.history_meta_ttl
    try:
        publications, top = hub.history(channel, meta_ttl, limit or -1, since)
    except errors.ReplyError:
        return Recovered(hub.history(channel, meta_ttl)[1], [], success=False)
    if publications:
        complete = publications[0].offset == since.offset + 1 and publications[-1].offset == top.offset
    else:
        complete = top.offset == since.offset
    return Recovered(top, publications if complete else [], complete)


def recover_cache(hub: Hub[Any], channel: str, grant: Grant, since: Position) -> Recovered:
    """Recover the latest publication, unless the subscriber has it."""
    publications, top = hub.history(channel, grant.options.history_meta_ttl, 1, reverse=True)
    current = since.offset > 0 and since == top
    if not publications:
        return Recovered(top, [], current)
    success = publications[0].offset == top.offset
    return Recovered(top, publications if success and not current else [], success)
