"""Which pages have no right to a topic any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..access import rights, topic_rights
from ..centrifugo.cent_api import Client


def asked(of_pages: Sequence[tuple[Client, str]]) -> set[str]:
    """Return the users whom a page's permission has to be asked about."""
    return {client.user for client, _ in of_pages if _shown(client).get(topic_rights.GUARD)}


def without_right(
    of_pages: Sequence[tuple[Client, str]], users: Mapping[str, Any], changed: frozenset[str]
) -> list[tuple[Client, str]]:
    """Return which of these connections have lost the page's channel beside them.

    The view has given it to other rights than the user has now, or the page has no right to it any more. `users` are
    those of `asked` and of `changed`, by their ids in Centrifugo; `changed` are those whose rights may have changed.
    """
    times = topic_rights.rechecked({name for _, name in of_pages})
    current = {
        sub: rights.shown_rights(rights.rights_fingerprint(users[sub]))
        for sub in {client.user for client, _ in of_pages} & changed & users.keys()
    }
    return [
        (client, name)
        for client, name in of_pages
        if (client.user in current and current[client.user] != _shown(client).get(rights.SHOWN_RIGHTS))
        or not topic_rights.holds(users.get(client.user), _shown(client), [name], times)
    ]


def _shown(client: Client) -> Mapping[str, Any]:
    return client.channel_info if isinstance(client.channel_info, dict) else {}
