"""Finds the pages that no longer have a right to a topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..access import rights, topic_rights
from ..centrifugo.cent_api import Client


def asked(of_pages: Sequence[tuple[Client, str]]) -> set[str]:
    """Return the ids of the users for whom a page's permission must be called."""
    return {client.user for client, _ in of_pages if _shown(client).get(topic_rights.GUARD)}


def without_right(
    of_pages: Sequence[tuple[Client, str]], users: Mapping[str, Any], changed: frozenset[str]
) -> list[tuple[Client, str]]:
    """Return the pairs whose connection has lost the page's channel of the pair.

    This is so if the view gave the channel for other rights than the user has now, or if the page no longer has a right
    to it. `users` contains the users of `asked` and of `changed`, by their ids in Centrifugo. `changed` are the users
    whose rights may have changed.
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
