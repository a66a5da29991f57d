"""Recovery of missed publications from a position, in stream mode and in cache mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from instant.devserver import errors
from instant.devserver.streams import Position, Publication

if TYPE_CHECKING:
    from instant.devserver.hub import Hub
    from instant.devserver.subscription_grant import Grant

#: Flag of a subscribe command: if recovery fails, refuse the command (112) instead of replying `recovered: false`.
REJECT_UNRECOVERED = 2


class Recovered(NamedTuple):
    """The latest position and the missed publications. Without `success`, recovery failed."""

    position: Position
    publications: list[Publication]
    success: bool


def recover_stream(hub: Hub[Any], channel: str, grant: Grant, since: Position, limit: int) -> Recovered:
    """Recover every publication after `since`.

    Recovery fails if some are not in the history any more, or if there are more than `limit` (0: no limit). An empty
    epoch matches any epoch.
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
    """Recover the latest publication, unless the subscriber already has it."""
    publications, top = hub.history(channel, grant.options.history_meta_ttl, 1, reverse=True)
    current = since.offset > 0 and since == top
    if not publications:
        return Recovered(top, [], current)
    success = publications[0].offset == top.offset
    return Recovered(top, publications if success and not current else [], success)
